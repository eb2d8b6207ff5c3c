import type { Comparison, NeuronBench } from "../../../src/bench/neuron.ts";
import { dependencies, version } from "../../../package.json";
import { percent, thousands } from "../compute/format.ts";
import { milliseconds, rate, times } from "./format.ts";

export interface RaceReport {
  benches: readonly NeuronBench[];
  repetitions: number;
  warmUp: number;
  /** The neuron as text. */
  definition: string;
  date: Date;
  userAgent: string;
}

export const versions = { spikefold: version, "jax-js": dependencies["@jax-js/jax"] };

/** What is measured and what is not. */
export const method = ({ repetitions, warmUp }: Pick<RaceReport, "repetitions" | "warmUp">): string =>
  `Medians of ${repetitions} interleaved repetitions after ${warmUp} to warm up; compiling and uploading are excluded. GB/s: bytes that the fused kernel must move, over its time; the copy is of the same size in the same run.`;

/** The result as text with all that belongs to it, and as JSON below. */
export function reportText(report: RaceReport): string {
  const { benches, date, userAgent, definition } = report;
  const { neuron, neurons, device, baseline, firingRate } = benches[0];
  const line = (name: string, { fusedMs, stepwiseMs, speedup, GBs }: Comparison, copy: number): string =>
    `  ${name}: ${times(speedup)}, ${milliseconds(fusedMs)} fused, ${milliseconds(stepwiseMs)} step by step; ${rate(GBs)} (copy ${rate(copy)})`;
  return [
    `Spikefold ${version}: ${neuron}, fused against step by step, ${thousands(neurons)} neurons`,
    ...benches.flatMap(({ steps, forward, both, copyGBs }) => [`T = ${steps}`, line("forward", forward, copyGBs), line("forward + backward", both, copyGBs)]),
    `Firing rate ${percent(firingRate)}. ${method(report)}`,
    `Device ${device.replaceAll("\n", "; ")}. Baseline: ${baseline} (jax-js ${versions["jax-js"]}).`,
    `${browserName(userAgent)}, ${date.toISOString()}`,
    JSON.stringify({ versions, date: date.toISOString(), userAgent, definition, repetitions: report.repetitions, warmUp: report.warmUp, benches }),
  ].join("\n").replaceAll("\u00a0", " ");
}

const browsers: readonly (readonly [string, RegExp])[] = [
  ["Edge", /Edg\/(\d+)/], ["Opera", /OPR\/(\d+)/], ["Firefox", /Firefox\/(\d+)/], ["Chrome", /Chrome\/(\d+)/], ["Safari", /Version\/(\d+).*Safari/],
];

/** A browser's name and version, as far as it tells. */
export function browserName(userAgent: string): string {
  for (const [name, pattern] of browsers) {
    const found = pattern.exec(userAgent);
    if (found) return `${name} ${found[1]}`;
  }
  return "a browser that does not tell its name";
}
