import { describeStep } from "../../neuron/describe.ts";
import type { Neuron } from "../../neuron/define.ts";
import { alpha, leaky, synaptic } from "../../neuron/library/index.ts";
import { type RecurrentWeights, withRecurrence } from "../../neuron/recurrence.ts";
import type { Spiking } from "../../nn/spiking.ts";

type Reset = "subtract" | "zero" | "none";
/** In the order of snnTorch's `reset_mechanism_val`. */
export const RESETS: readonly Reset[] = ["subtract", "zero", "none"];

const CANDIDATES: Readonly<Record<string, (reset: Reset) => readonly Neuron[]>> = {
  leaky: (reset) => [true, false].map((resetDelay) => leaky({ reset, resetDelay })),
  synaptic: (reset) => [true, false].map((resetDelay) => synaptic({ reset, resetDelay })),
  alpha: (reset) => [alpha({ reset })],
};

/** The reset of a layer whose neurons are snnTorch's Leaky, Synaptic or Alpha, told by what they compute; undefined for other neurons. */
export function snntorchReset({ neuron, kind, options }: Spiking): Reset | undefined {
  const steps = (each: Neuron): string => describeStep(each, { training: false }).join("\n");
  const placed = (each: Neuron): Neuron => (kind === "recurrent" ? withRecurrence(each, options.weights as RecurrentWeights, options.bias as boolean) : each);
  const wanted = steps(neuron);
  return RESETS.find((reset) => CANDIDATES[neuron.name]?.(reset).some((candidate) => steps(placed(candidate)) === wanted));
}
