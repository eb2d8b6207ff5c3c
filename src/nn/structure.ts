import { describeStep } from "../neuron/describe.ts";
import type { Layer } from "./layer.ts";
import type { Model } from "./model.ts";
import { Spiking } from "./spiking.ts";

/**
 * What a model computes, in lines: its layers in order with their options, the graph of each function, and the step of each neuron with all its constants.
 * Models with the same lines compute the same from the same parameters. Learnt values, T and the device are no part of it. Layers of your own are known
 * by description and options.
 * @param training whether what matters in training alone is part of it: surrogate derivatives, `detach`, dropout, momentum of statistics
 */
export function structureOf({ body }: Model, { training }: { training: boolean }): string[] {
  const neurons = new Map<string, number>();
  const seen = new Set<Layer>();

  const neuronLines = ({ neuron, given }: Spiking): string[] => {
    const fixed = Object.fromEntries(Object.entries(neuron.params).filter(([name]) => !(name in given)));
    const step = describeStep(neuron, { fixed, training });
    const key = step.join("\n");
    const known = neurons.get(key);
    if (known !== undefined) return [`its neuron is neuron ${known}`];
    const number = neurons.size + 1;
    neurons.set(key, number);
    return [`its neuron is neuron ${number}`, ...step.map((line) => `neuron ${number}: ${line}`)];
  };

  const lines = (layer: Layer): string[] => {
    if (seen.has(layer)) return [];
    seen.add(layer);
    const inner = layer.layers();
    const path = pathOf(layer);
    const what = inner.length > 0 || Object.keys(layer.trainingOptions).length > 0 ? layer.kind : layer.description;
    const options = { ...layer.options, ...(training ? layer.trainingOptions : {}) };
    const details = [
      ...(inner.length > 0 ? [`made of ${inner.map(pathOf).join(" ")}`] : []),
      ...Object.entries(options).map(([name, value]) => `${name} ${JSON.stringify(value)}`),
      `gives [${layer.outputShape.join(", ")}]`,
    ];
    return [`${path === "" ? "" : `${path}: `}${what}, ${details.join(", ")}`, ...(layer instanceof Spiking ? neuronLines(layer) : []), ...inner.flatMap(lines)];
  };
  return lines(body);
}

/** Where a layer is in its model: "2"; empty for the outermost. */
export const pathOf = ({ name, description }: Layer): string => (name === description ? "" : name.slice(0, name.indexOf(": ")));
