// What a part of the benchmark has found so far, in a file: a part that is started again goes on from there.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/**
 * @template {object} Row
 * @typedef {{ part: string, date: string, measurement: boolean, machine: object, versions: Record<string, string>, commands: string[], rows: Row[], missing: string[] }} Piece
 */

/** The command of this process, without the machine's own folders. */
export function commandLine() {
  return ["node", ...process.argv.slice(1).map((each) => (each.startsWith("/") ? each.replace(/^.*\/(?=bench\/)/, "").replace(/^\/.*\//, "") : each))].join(" ");
}

/** @template {object} Row */
export class PieceFile {
  /** @param {string} part @param {string | undefined} path without it, nothing is kept @param {(row: Row) => string} keyOf what tells rows apart */
  constructor(part, path, keyOf) {
    this.path = path;
    this.keyOf = keyOf;
    /** @type {Piece<Row>} */
    this.piece = path && existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { part, date: "", measurement: true, machine: {}, versions: {}, commands: [], rows: [], missing: [] };
    if (this.piece.part !== part) throw new Error(`${path} is of part ${this.piece.part}, not of part ${part}`);
    this.piece.commands.push(commandLine());
    this.piece.missing = [];
  }

  /** @param {string} key */
  find(key) {
    return this.piece.rows.find((row) => this.keyOf(row) === key);
  }

  /** What it was measured with. @param {{ measurement: boolean, machine: object, versions: Record<string, string | undefined> }} about */
  describe({ measurement, machine, versions }) {
    const { piece } = this;
    if (piece.rows.length > 0 && JSON.stringify(piece.machine) !== JSON.stringify(machine)) throw new Error(`${this.path} is from another machine: ${JSON.stringify(piece.machine)}`);
    piece.measurement &&= measurement;
    Object.assign(piece, { machine, versions: { ...piece.versions, ...versions } });
  }

  /** Puts a row in place of the one of its key, and keeps all. @param {Row} row */
  put(row) {
    const { rows } = this.piece;
    const at = rows.findIndex((each) => this.keyOf(each) === this.keyOf(row));
    if (at < 0) rows.push(row);
    else rows[at] = row;
    this.write();
  }

  /** @param {string} what for which no time was left */
  lacks(what) {
    this.piece.missing.push(what);
  }

  write() {
    this.piece.date = new Date().toISOString();
    const text = `${JSON.stringify(this.piece, null, 1)}\n`;
    if (!this.path) return text;
    mkdirSync(dirname(this.path), { recursive: true });
    writeFileSync(`${this.path}.part`, text);
    renameSync(`${this.path}.part`, this.path);
    return text;
  }
}
