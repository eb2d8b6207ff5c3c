// Parts c and d in words and figures: whole networks in training.
import { digits, percent, table } from "./markdown.mjs";

/**
 * @typedef {{
 *   name: string, precision: string, contestant: string, layout: string, reason?: string, medianMs?: number, minimumMs: number, maximumMs: number, samplesPerSecond?: number, clock: string,
 *   peakBytes?: number, reservedBytes?: number, parameters: number, losses: number[], firingRate?: number, withoutGraph?: string, turns?: boolean,
 *   profile?: Record<"dense" | "neuron" | "norm" | "rest", number>,
 * }} Row
 * @typedef {import("../pieces.mjs").Piece<Row>} Piece
 */

/** Losses of the first steps that are so near may be of the same work. In fp32 hardly a spike falls differently; coarser rounding moves many, in small batches the more. */
const SAME = { float32: 5e-3, tf32: 0.1, bfloat16: 0.25 };
const precisions = { float32: "fp32", tf32: "TF32", bfloat16: "bf16" };

const gib = (/** @type {number | undefined} */ bytes) => (bytes === undefined ? "–" : (bytes / 2 ** 30).toFixed(2));
const isOurs = (/** @type {Row} */ { contestant }) => contestant.startsWith("spikefold");

/** @param {Piece} piece */
export function networks({ rows }) {
  const cells = [...new Set(rows.map(({ name, precision }) => `${name}\n${precision}`))];
  return cells.map((cell) => {
    const [name, precision] = cell.split("\n");
    const own = rows.filter((row) => row.name === name && row.precision === precision);
    const mine = own.find(({ contestant, medianMs }) => contestant === "spikefold" && medianMs !== undefined);
    const timed = own.filter(({ medianMs }) => medianMs !== undefined).sort((a, b) => Number(a.medianMs) - Number(b.medianMs));
    const best = timed.find((row) => !isOurs(row));
    const lines = timed.map((row) => [
      isOurs(row) ? row.contestant : `${row.contestant}, ${row.layout}`, digits(Number(row.samplesPerSecond)), `${digits(Number(row.medianMs))}${row.clock === "host" ? "†" : ""}`,
      `${digits(row.minimumMs)} to ${digits(row.maximumMs)}`, mine ? `${digits(Number(row.medianMs) / Number(mine.medianMs))}×` : "–", gib(row.peakBytes), gib(row.reservedBytes),
      row.losses.map((loss) => loss.toFixed(4)).join(", "),
    ]);
    return [
      `### ${name}, ${/** @type {Record<string, string>} */ (precisions)[precision]}\n`,
      table(["contestant", "samples/s", "ms a step", "range", "time of ours", "memory, GiB", "reserved, GiB", "losses of the first steps"], lines),
      ...(mine && best ? [`Ours is ${digits(Number(best.medianMs) / Number(mine.medianMs))} times as fast as the best peer, ${best.contestant}. ${sameWork(mine, timed)}\n`] : []),
      ...profiles([mine, best].flatMap((row) => row ?? [])),
      ...notes(own),
    ].join("\n");
  }).join("\n");
}

/** Whether all had the same network, weights and inputs. @param {Row} mine @param {Row[]} rows */
function sameWork(mine, rows) {
  const peers = rows.filter((row) => !isOurs(row));
  const allowed = SAME[/** @type {keyof typeof SAME} */ (mine.precision)];
  const differing = peers.filter(({ parameters, losses }) => parameters !== mine.parameters || losses.some((loss, i) => !(Math.abs(loss - mine.losses[i]) <= allowed * Math.abs(mine.losses[i]))));
  const worst = Math.max(...peers.flatMap(({ losses }) => losses.map((loss, i) => Math.abs(loss / mine.losses[i] - 1))));
  if (differing.length > 0) return `**Not the same work**: parameters or losses of ${differing.map(({ contestant }) => contestant).join(", ")} differ from ours (losses by up to ${worst.toExponential(1)}).`;
  return `The same work: ${mine.parameters} parameters on both sides, losses of the first ${mine.losses.length} steps within ${worst.toExponential(1)}${mine.firingRate === undefined ? "" : `; ${(100 * mine.firingRate).toFixed(1)} % of neurons fire at a step`}.`;
}

/** @param {Row[]} rows */
function profiles(rows) {
  const shown = rows.filter(({ profile }) => profile);
  const lines = shown.map(({ contestant, profile }) => {
    const { dense, neuron, norm, rest } = /** @type {NonNullable<Row["profile"]>} */ (profile);
    const sum = dense + neuron + norm + rest;
    return [contestant, ...[dense, neuron, norm, rest].map((ms) => `${digits(ms)} (${percent(ms / sum)})`)];
  });
  return shown.length > 0 ? [table(["ms a step", "dense", "neuron", "norm", "rest"], lines)] : [];
}

/** @param {Row[]} rows */
function notes(rows) {
  const lines = rows.flatMap(({ contestant, layout, reason, withoutGraph, turns }) => [
    ...(reason ? [`- ${contestant}, ${layout}: ${reason}`] : []),
    ...(withoutGraph ? [`- ${contestant} ran call by call: ${withoutGraph}`] : []),
    ...(turns === false ? [`- ${contestant}, ${layout}: alone on the GPU, not in turns with ours, as both did not fit`] : []),
  ]);
  return lines.length > 0 ? [`${lines.join("\n")}\n`] : [];
}

/** How time grows with T: per time step, relative to T = 32. @param {Piece} piece */
export function lengths({ rows }) {
  const timed = rows.filter(({ medianMs }) => medianMs !== undefined).map((row) => ({ ...row, T: Number(/T=(\d+)/.exec(row.name)?.[1]) }));
  const steps = [...new Set(timed.map(({ T }) => T))].sort((a, b) => a - b);
  const contestants = [...new Set(timed.map(({ contestant, precision }) => `${contestant}, ${precision}`))];
  const cell = (/** @type {string} */ contestant, /** @type {number} */ T) => {
    const own = timed.filter((row) => `${row.contestant}, ${row.precision}` === contestant);
    const [row, unit] = [own.find((each) => each.T === T), own.find((each) => each.T === 32)];
    if (!row) return "–";
    return `${digits(Number(row.medianMs))}${unit ? ` (${(Number(row.medianMs) / T / (Number(unit.medianMs) / 32)).toFixed(2)})` : ""}`;
  };
  return `### Time by T\n\nms a step, and in brackets the time per time step relative to T = 32 (1 is linear).\n\n${table(["contestant", ...steps.map((T) => `T = ${T}`)], contestants.map((contestant) => [contestant, ...steps.map((T) => cell(contestant, T))]))}\n${notes(rows).join("")}`;
}

/** Who runs, in a few layers. @param {Piece} piece */
export function smoke({ rows }) {
  return `### Who runs\n\n${table(["contestant", "fp32", "TF32", "bf16"], [...new Set(rows.map(({ contestant }) => contestant))].map((contestant) => [contestant, ...Object.keys(precisions).map((precision) => {
    const row = rows.find((each) => each.contestant === contestant && each.precision === precision);
    return !row ? "–" : row.reason ?? (row.withoutGraph ? "yes, call by call" : "yes");
  })]))}`;
}
