// Part a in words and figures.
import { table } from "./markdown.mjs";

/**
 * @typedef {{ kind: string, name: string, tool?: string, failures: string[], cases?: number, inexact?: number, reason?: string }} Row
 * @typedef {import("../pieces.mjs").Piece<Row>} Piece
 */

/** @param {Piece} piece */
export function conformance({ rows }) {
  const kinds = [...new Set(rows.map(({ kind, tool }) => (tool ? `${kind}, ${tool}` : kind)))];
  const lines = kinds.map((kind) => {
    const own = rows.filter((row) => (row.tool ? `${row.kind}, ${row.tool}` : row.kind) === kind);
    const sum = (/** @type {(row: Row) => number} */ of) => String(own.reduce((total, row) => total + of(row), 0));
    return [kind, String(own.length), sum(({ cases = 0 }) => cases), sum(({ inexact = 0 }) => inexact), sum(({ failures }) => failures.length)];
  });
  const failures = rows.flatMap(({ kind, name, tool, failures: found, reason }) => [...(reason ? [reason] : []), ...found.slice(0, 3)].map((each) => `- ${[kind, tool, name].filter(Boolean).join(", ")}: ${each}`));
  return `### Kernels against their references\n\n${table(["", "checks", "cases", "not bit for bit", "failures"], lines)}\n${failures.length > 0 ? `${failures.join("\n")}\n` : ""}`;
}
