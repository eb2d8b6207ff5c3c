// Turns what the parts have found into Markdown and a chart:
//   node bench/gpu/report.mjs PIECE.json… [--steps 32] [--neurons 4194304] [--chart FILE.svg] > gpu.md
// All must be from one machine; of part b there may be several, of which the last one counts where they hold the same case.
import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { conformance } from "./report/conformance.mjs";
import { neurons } from "./report/neurons.mjs";
import { lengths, networks, smoke } from "./report/training.mjs";

const { values, positionals } = parseArgs({ options: { steps: { type: "string", default: "32" }, neurons: { type: "string" }, chart: { type: "string" } }, allowPositionals: true });
if (positionals.length === 0) throw new Error("usage: node bench/gpu/report.mjs PIECE.json… [--steps T] [--neurons N] [--chart FILE.svg]");
/** @type {any[]} */
const pieces = positionals.map((file) => JSON.parse(readFileSync(file, "utf8")));
const machines = new Set(pieces.map(({ machine }) => machine.description ?? "no device of ours"));
if (machines.size > 1) throw new Error(`the results are from several machines, whose times cannot be compared: ${[...machines].join("; ")}`);

const parts = { smoke: "who runs at all", a: "conformance", b: "neurons against peers", c: "networks against peers", d: "time by T" };
const of = (/** @type {string} */ part) => pieces.filter((piece) => piece.part === part);
const layers = of("b").length > 0 ? neurons(of("b"), values) : undefined;
const isMeasured = pieces.every(({ measurement }) => measurement);

process.stdout.write([
  ...(isMeasured ? [] : ["**Not a measurement: there was no GPU; these figures only show that the benchmark runs.**\n"]),
  `${[...machines][0]}; ${pieces.map(({ date }) => date.slice(0, 10)).sort()[0]}; ${Object.entries(Object.assign({}, ...pieces.map(({ versions }) => versions))).map(([name, version]) => `${name} ${version}`).join(", ")}.\n`,
  ...of("smoke").map(smoke),
  ...of("a").map(conformance),
  ...(layers ? [layers.text] : []),
  ...of("c").map(networks),
  ...of("d").map(lengths),
  ...missing(),
  `From ${positionals.map((file) => `\`${basename(file)}\``).join(", ")}.`,
  "",
].join("\n"));
if (values.chart) {
  if (!layers) throw new Error("--chart shows part b, of which there is nothing here");
  writeFileSync(values.chart, layers.chart);
}

/** What is not there: whole parts, and what parts had no time for. */
function missing() {
  const lines = Object.entries(parts).flatMap(([part, what]) => {
    const own = of(part);
    return own.length === 0 ? [`- part ${part}, ${what}: not run`] : own.flatMap((piece) => (piece.missing ?? []).map((/** @type {string} */ each) => `- part ${part}: no time was left for ${each}`));
  });
  return lines.length > 0 ? [`### Missing\n\n${lines.join("\n")}\n`] : [];
}
