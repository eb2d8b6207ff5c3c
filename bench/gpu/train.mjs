// Parts c and d: whole networks in training, ours and SpikingJelly's, taking turns in one run, on the same weights and inputs; see README.md.
//   node bench/gpu/train.mjs --part smoke|c|d [--out FILE] [--seconds N] [--only TEXT] [--python PATH] [--sources DIR]
import { parseArgs } from "node:util";
import { summary } from "./ours.mjs";
import { Peers } from "./peers.mjs";
import { PieceFile } from "./pieces.mjs";
import { nameOf, paper, sew, smoke } from "./workloads.mjs";

/**
 * @typedef {import("./workloads.mjs").Workload} Workload
 * @typedef {import("./workloads.mjs").Precision} Precision
 * @typedef {"contiguous" | "channels_last"} Layout
 * @typedef {readonly [contestant: string, layout: Layout]} Rival
 * @typedef {{ workload: Workload, precision: Precision, rivals: readonly Rival[], calls?: boolean }} Group calls: our step call by call too
 * @typedef {{ name: string, precision: Precision, contestant: string, layout: Layout, ms?: number[], reason?: string, [detail: string]: unknown }} Row
 * @typedef {Workload & { contestant: string, layout: Layout, precision: Precision, seed: number }} Options what a contestant is prepared with
 * @typedef {import("./peers.mjs").Reply & Record<string, any>} Reply
 */

const { values } = parseArgs({
  options: {
    part: { type: "string" },
    out: { type: "string" },
    seconds: { type: "string", default: "520" },
    only: { type: "string" },
    precisions: { type: "string", default: "bfloat16,tf32,float32" },
    rounds: { type: "string", default: "5" },
    repetitions: { type: "string", default: "4" },
    seed: { type: "string", default: "1" },
    device: { type: "string", default: "0" },
    python: { type: "string", default: "python3" },
    sources: { type: "string" },
    "peers-device": { type: "string", default: "cuda" },
    "no-peers": { type: "boolean", default: false },
    retry: { type: "boolean", default: false },
    // For trying the scripts.
    batch: { type: "string" },
    size: { type: "string" },
    steps: { type: "string" },
  },
});
if (values.part !== "smoke" && values.part !== "c" && values.part !== "d") throw new Error("--part smoke, c or d was expected");

/** Less time than this, and nothing new is begun; of what is compiled by torch.compile, more. */
const [LEAST_MS, COMPILE_MS] = [20_000, 100_000];
/** A contestant that takes longer to prepare, or for a few steps, is given up. */
const [PREPARE_MS, TURN_MS] = [240_000, 30_000];

const [rounds, repetitions, seed] = [Number(values.rounds), Number(values.repetitions), Number(values.seed)];
const begin = performance.now();
const end = begin + 1000 * Number(values.seconds);
const left = () => end - performance.now();
const say = (/** @type {string} */ text) => process.stderr.write(`[${((performance.now() - begin) / 1000).toFixed(0)} s] ${text}\n`);

const keyOf = (/** @type {Pick<Row, "name" | "precision" | "contestant" | "layout">} */ { name, precision, contestant, layout }) => [name, precision, contestant, layout].join("; ");
/** @type {PieceFile<Row>} */
const piece = new PieceFile(values.part, values.out, keyOf);

/** One contestant in one workload. */
class Entry {
  isIn = false;

  /** @param {Peers} side @param {Row} row @param {Options} options */
  constructor(side, row, options) {
    this.side = side;
    this.options = options;
    /** @type {Row} */
    this.row = row;
  }

  get isDone() {
    const row = piece.find(keyOf(this.row));
    return row !== undefined && !(values.retry && row.reason);
  }

  get outOfMemory() {
    return /out of memory/i.test(this.row.reason ?? "");
  }

  get announced() {
    return this.side.contestants.find(({ name }) => name === this.row.contestant);
  }

  /** Whether it is there at all; else its row says why not. */
  isPresent() {
    const { announced } = this;
    return announced?.present || this.#fail(announced?.reason ?? this.side.contestants[0]?.reason ?? "there is none of this name");
  }

  /** Whether it is prepared, or was; else its row says why not. */
  async enter() {
    const { contestant, layout } = this.row;
    if (this.isIn) return true;
    if (!this.isPresent()) return false;
    say(`  ${contestant}, ${layout}`);
    const { error, ...seen } = await this.#ask({ prepare: { ...this.options, execution: this.announced?.execution } }, Math.min(PREPARE_MS, left() + TURN_MS));
    if (error) return this.#fail(error);
    this.isIn = true;
    const { ms } = piece.find(keyOf(this.row)) ?? {};
    this.row = { ...this.row, ms: this.row.ms ?? ms, ...seen, reason: undefined };
    return true;
  }

  async turn() {
    if (!this.isIn) return;
    const { error, ms = [], ...seen } = await this.#ask({ time: repetitions }, TURN_MS);
    if (error) return void this.#fail(error);
    this.row = { ...this.row, ...seen, ms: [...(this.row.ms ?? []), ...ms] };
  }

  /** Ends with a profile, and gives the memory back. @param {object} [details] */
  async leave(details = {}) {
    if (!this.isIn) return;
    const { error, ...profile } = await this.#ask({ profile: 3 }, TURN_MS);
    if (error) say(`  ${this.row.contestant}: no profile: ${error}`);
    this.row = { ...this.row, ...profile, ...details };
    if (this.isIn) await this.side.ask({ release: true }, 60_000);
    this.isIn = false;
    const { ms = [] } = this.row;
    piece.put({ ...this.row, ...summary(ms, "Ms"), samplesPerSecond: ms.length > 0 ? (1000 * this.options.batch) / summary(ms, "Ms").medianMs : undefined });
  }

  /** @param {object} request @param {number} limitMs @returns {Promise<Reply>} */
  async #ask(request, limitMs) {
    const reply = await this.side.ask(request, limitMs);
    if (reply.fatal) this.isIn = false;
    return reply;
  }

  /** Keeps why it is not there, unless the time of this run was short for it. @param {string} reason */
  #fail(reason) {
    this.isIn = false;
    const row = { ...this.row, ms: undefined, reason: reason.split("\n")[0] };
    this.row = row;
    say(`  ${row.contestant}, ${row.layout}: ${reason}`);
    if (reason.startsWith("took longer") && left() < 0) piece.lacks(keyOf(row));
    else if (!piece.find(keyOf(row))?.ms) piece.put(row);
    return false;
  }
}

const ours = new Peers({ program: process.execPath, script: "train-ours.mjs", device: values.device });
const theirs = new Peers({ program: values.python, script: "peers_train.py", device: values["peers-device"], sources: values.sources });
await ours.start();
if (!values["no-peers"]) await theirs.start();
for (const { name, present, reason } of [...ours.contestants, ...theirs.contestants]) if (!present) say(`${name} is missing: ${reason}`);
piece.describe({ measurement: ours.about?.standIn === false && values["peers-device"] === "cuda", machine: ours.about?.machine ?? {}, versions: { ...ours.versions, ...theirs.versions } });

for (const group of { smoke: everyone, c: networks, d: lengths }[values.part]()) await run(group);
await theirs.stop();
await ours.stop();
const text = piece.write();
for (const each of piece.piece.missing) say(`no time was left for ${each}`);
if (!values.out) process.stdout.write(text);

/** Before the others: whether everyone runs at all, on a network of a few layers. @returns {Group[]} */
function everyone() {
  const rivals = theirs.contestants.map(({ name }) => /** @type {Rival} */ ([name, "channels_last"]));
  return chosen(/** @type {const} */ (["bfloat16", "float32", "tf32"]).map((precision) => ({ workload: smoke, precision, rivals, calls: true })));
}

/** Part c, what matters most first: fast ones, then what is compiled for minutes, then the other networks. @returns {Group[]} */
function networks() {
  /** @type {readonly Rival[]} */
  const fast = [["spikingjelly triton", "channels_last"], ["spikingjelly torch", "channels_last"], ["spikingjelly triton graph", "channels_last"]];
  /** @type {readonly Rival[]} */
  const others = [["spikingjelly triton", "contiguous"], ["spikingjelly cupy", "channels_last"], ["spikingjelly cupy", "contiguous"], ["spikingjelly torch", "contiguous"]];
  /** @type {readonly Rival[]} */
  const compiled = [["spikingjelly triton compile", "channels_last"], ["spikingjelly torch compile", "channels_last"]];
  const small = paper(18, 28);
  return chosen([
    { workload: sew, precision: "bfloat16", rivals: fast, calls: true },
    { workload: small, precision: "bfloat16", rivals: fast, calls: true },
    { workload: small, precision: "float32", rivals: fast },
    { workload: sew, precision: "float32", rivals: fast },
    { workload: sew, precision: "bfloat16", rivals: compiled },
    { workload: sew, precision: "bfloat16", rivals: others },
    { workload: small, precision: "bfloat16", rivals: [compiled[0], ...others] },
    { workload: sew, precision: "tf32", rivals: fast },
    { workload: small, precision: "float32", rivals: others },
    ...[paper(18, 32), paper(34, 28), paper(34, 32), paper(50, 28), paper(50, 32)].flatMap((workload) => ["bfloat16", "float32"].map((precision) => ({
      workload, precision: /** @type {Precision} */ (precision), rivals: /** @type {Rival[]} */ ([fast[0], fast[1], others[1]]),
    }))),
    { workload: sew, precision: "bfloat16", rivals: [["spikingjelly inductor", "channels_last"]] },
  ]);
}

/** Part d: how the time grows with T. @returns {Group[]} */
function lengths() {
  return chosen(/** @type {const} */ (["bfloat16", "float32"]).flatMap((precision) => [32, 128, 4, 8, 16, 64].map((steps) => ({
    workload: paper(18, 28, steps), precision, rivals: /** @type {Rival[]} */ ([["spikingjelly triton", "channels_last"], ["spikingjelly torch", "channels_last"]]),
  }))));
}

/** Those that were asked for, as small as was asked for. @param {Group[]} groups @returns {Group[]} */
function chosen(groups) {
  const precisions = values.precisions.split(",");
  return groups.filter(({ workload, precision }) => precisions.includes(precision) && nameOf(workload).includes(values.only ?? "")).map(({ workload, ...group }) => {
    const { steps, batch, shape: [height, , channels] } = workload;
    const size = Number(values.size ?? height);
    return { ...group, workload: { ...workload, steps: Math.min(steps, Number(values.steps ?? steps)), batch: Number(values.batch ?? batch), shape: [size, size, channels] } };
  });
}

/** Ours stays prepared while its rivals come and go, so that turns are taken step by step. @param {Group} group */
async function run({ workload, precision, rivals, calls }) {
  const name = nameOf(workload);
  const entry = (/** @type {Peers} */ side, /** @type {string} */ contestant, /** @type {Layout} */ layout = "channels_last") =>
    new Entry(side, { name, precision, contestant, layout }, { contestant, layout, ...workload, precision, seed });
  const pending = rivals.map(([contestant, layout]) => entry(theirs, contestant, layout)).filter((each) => !values["no-peers"] && !each.isDone && each.isPresent());
  const [mine, byCalls] = [entry(ours, "spikefold"), entry(ours, "spikefold calls")];
  if (pending.length === 0 && mine.isDone && (!calls || byCalls.isDone)) return;
  if (left() < LEAST_MS) return piece.lacks(`${name}, ${precision}`);
  say(`${name}, ${precision}`);

  if (calls && !byCalls.isDone) {
    if (await byCalls.enter()) await inTurns([byCalls]);
    await byCalls.leave();
  }
  for (const rival of pending) {
    if (left() < (rival.row.contestant.endsWith("compile") ? COMPILE_MS : LEAST_MS)) {
      piece.lacks(`${name}, ${precision}: ${rival.row.contestant}, ${rival.row.layout}`);
      continue;
    }
    await mine.enter();
    if (!(await rival.enter()) && rival.outOfMemory && mine.isIn) {
      // It is to have all of the memory once; turns are not taken then.
      await mine.leave();
      await rival.enter();
    }
    const met = mine.isIn;
    await inTurns(met ? [mine, rival] : [rival]);
    await rival.leave({ turns: met });
  }
  if (!mine.isDone && (await mine.enter()) && !mine.row.ms) await inTurns([mine]);
  await mine.leave();
}

/** Fewer rounds where time is short. @param {readonly Entry[]} entries */
async function inTurns(entries) {
  for (let round = 0; round < rounds && (round === 0 || left() > 0); round++) for (const each of entries) await each.turn();
}
