import { type BufferArray, decodeElement, decodeSpikes, elementsOf } from "../../src/codegen/formats.ts";
import type { Device } from "../../src/device/device.ts";
import type { BufferSpec, Plan, SpikeFormat } from "../../src/fusion/plan.ts";
import { contains } from "../../src/neuron/walk.ts";
import type { OperationName } from "../../src/neuron/ops.ts";
import type { ConformanceCase } from "./cases.ts";
import { conform, type Conformance, difference } from "./suite.ts";
import { spikeMargins, TIE } from "./ties.ts";

export interface Strictness {
  /** Every bit must be the interpreter's, where no exp, tanh and the like is computed and nothing is summed over neurons. */
  exact?: boolean;
  /** A spike(u) with |u| < 1e-6 may come out differently; from there on, its neuron is not compared. */
  tolerateTies?: boolean;
}

export interface Finding {
  /** What is wrong, in words. */
  failures: string[];
  /** Neurons with a spike that came out differently at |u| < 1e-6. */
  flips: number;
  /** Neurons in all. */
  neurons: number;
}

/** Runs a case by the interpreter and on a device, and compares all that the kernels write. */
export async function check(device: Device, { request, size, channels, tolerance }: ConformanceCase, { exact = false, tolerateTies = false }: Strictness): Promise<Finding> {
  const run = await conform(device, request, size, channels, request.steps + size);
  const { plan } = run;
  const outputs = [...plan.forward.buffers, ...(plan.backward?.buffers ?? [])].filter(({ direction }) => direction === "out");
  const where = (name: string): string => `${request.neuron.name}, ${name}, T = ${request.steps}, N = ${size}`;
  if (tolerateTies) {
    const { failures, flips } = compareWithTies(run, outputs, { size, channels, tolerance });
    return { failures: failures.map(({ name, problem }) => `${where(name)}: ${problem}`), flips, neurons: size };
  }
  const isExact = exact && !computesMath(plan);
  const failures = outputs.flatMap((spec) => {
    const { name, reduce } = spec;
    const error = difference(spec, request.steps, run.actual[name], run.expected[name]);
    const isGradient = name.startsWith("grad.");
    // A recurrent product on the way back is a dense one, whose sums devices take in orders of their own; many steps may magnify what that changes.
    const isMixed = plan.mix !== null && isGradient;
    const allowed = isMadeOfSpikes(plan, name) || (isExact && !reduce && !isMixed) ? 0 : isMixed ? 1e-4 * largest(run.expected[name]) : isGradient ? 1e-4 : tolerance;
    return error <= allowed ? [] : [`${where(name)}: error ${error}, allowed ${allowed}`];
  });
  return { failures, flips: 0, neurons: size };
}

/** Whether `spike` is spikes or a number of them; of some neurons it is another number. */
const isMadeOfSpikes = ({ neuron }: Plan, name: string): boolean => name === "spike" && contains(neuron.next.spike, ({ node }) => node.kind === "spike");

const largest = (data: BufferArray): number => (data instanceof Float32Array ? data.reduce((most, x) => Math.max(most, Math.abs(x)), 1) : 1);

const mathOperations = new Set<string>(["exp", "expm1", "log", "log1p", "tanh", "sigmoid", "sin", "cos", "atan", "erf"] satisfies OperationName[]);

/** Whether a kernel of the plan computes a function that is not rounded correctly everywhere. */
function computesMath({ forward, backward }: Plan): boolean {
  const blocks = [forward.prologue, forward.step, ...(backward ? [backward.prologue, backward.advance, backward.reverse, backward.epilogue] : [])];
  return blocks.some(({ values }) => values.some((value) => value.kind === "operation" && mathOperations.has(value.op)));
}

/**
 * Neuron by neuron: the first spike that differs must be a tie, and what follows from it is not compared (the neuron's later spikes, its states and
 * gradients, sums that it is part of). A gradient may differ without that too: the backward kernel recomputes the spikes, and may take a tie its own way.
 */
export function compareWithTies({ plan, expected, actual }: Conformance, outputs: readonly BufferSpec[], { size, channels, tolerance }: Pick<ConformanceCase, "size" | "channels" | "tolerance">) {
  const { steps } = plan;
  const marginsOf = (n: number): number[] => spikeMargins(plan, { steps, size, channels, buffers: expected }, n);
  /** What a neuron's spikes are read by: the neuron itself, or with a recurrent product its sample. */
  const readers = (n: number): number => (plan.mix ? Math.floor(n / channels) : n);
  /** The step from which on a neuron, or a sample, differs. */
  const flippedAt = new Map<number, number>();
  const isSpike = ({ name }: BufferSpec): boolean => isMadeOfSpikes(plan, name);
  const isGradient = ({ name }: BufferSpec): boolean => name.startsWith("grad.");

  /** Whether ties explain that neuron n differs at step t. */
  const isExplained = (spec: BufferSpec, n: number, t: number): boolean => {
    if (spec.extent !== "neuron") return [...flippedAt.keys()].some((each) => spec.extent === "layer" || plan.mix !== null || each % channels === n);
    const known = flippedAt.get(readers(n));
    if (known !== undefined && (isGradient(spec) || known <= t)) return true;
    const margins = isSpike(spec) || isGradient(spec) ? marginsOf(n) : [];
    const tie = isSpike(spec) ? (margins[t] < TIE ? t : -1) : margins.findIndex((margin) => margin < TIE);
    if (tie >= 0) flippedAt.set(readers(n), tie);
    return tie >= 0;
  };
  const compare = (spec: BufferSpec): { name: string; problem: string }[] => {
    const { name, time, format } = spec;
    const [a, b] = [actual[name], expected[name]].map((data) => decode(spec, data, steps));
    const width = spec.extent === "neuron" ? size : b.length;
    const lastStep = (row: number): number => (time === "varying" ? row : time === "checkpoint" ? (row + 1) * plan.checkpointEvery! - 1 : steps - 1);
    const allowed = isSpike(spec) ? 0 : isGradient(spec) ? 1e-4 : Math.max(tolerance, 1e-5);
    for (let i = 0; i < b.length; i++) {
      const error = Math.abs(a[i] - b[i]);
      if (error <= allowed * (1 + Math.abs(b[i])) || (isGradient(spec) && error <= spacing(format, b[i]))) continue;
      const [n, t] = [i % width, lastStep(Math.floor(i / width))];
      if (isExplained(spec, n, t)) continue;
      const margin = spec.extent === "neuron" ? `, where |u| = ${marginsOf(n)[t]}` : "";
      return [{ name, problem: `${a[i]} instead of ${b[i]} at step ${t}, place ${n}${margin}` }];
    }
    return [];
  };
  // What explains comes before what it explains.
  const order = (spec: BufferSpec): number => (isSpike(spec) ? 0 : !isGradient(spec) ? 1 : spec.extent === "neuron" ? 2 : 3);
  const failures = [...outputs].sort((x, y) => order(x) - order(y)).flatMap(compare);
  return { failures, flips: flippedAt.size };
}

/** The numbers of a buffer, [T, N] or [N]. */
function decode({ name, time, format }: BufferSpec, data: BufferArray, steps: number): Float32Array {
  if (name.startsWith("grad.")) return Float32Array.from(data, (stored) => decodeElement(format, stored));
  return time === "varying" ? decodeSpikes(data, format, steps, data.length / elementsOf(format, steps, 1)) : Float32Array.from(data);
}

/** One unit in the last place of a narrow element of about this value: what another rounding may change. */
function spacing(format: SpikeFormat, value: number): number {
  if (format !== "bf16" && format !== "f16") return 0;
  const [digits, smallest] = format === "bf16" ? [7, -126] : [10, -14];
  return 2 ** (Math.max(smallest, Math.floor(Math.log2(Math.abs(value) || 1e-45))) - digits);
}
