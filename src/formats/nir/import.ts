import { checkArgument, checkOptions, either, flag, instanceOf, integer, oneOf, type OptionKinds, positive, required, text } from "../../check.ts";
import { Random } from "../../data/random.ts";
import { type Device, deviceKind, PRECISIONS, type Precision } from "../../device/device.ts";
import { FileFormatError } from "../../errors.ts";
import { surrogateKind } from "../../neuron/kinds.ts";
import type { Surrogate } from "../../neuron/surrogate.ts";
import { type Layer, layerKind, type LayerLike } from "../../nn/layer.ts";
import { Model } from "../../nn/model.ts";
import { everyStep } from "../../nn/readout.ts";
import { sequential } from "../../nn/sequential.ts";
import type { Tape } from "../../nn/tape.ts";
import type { Variable } from "../../nn/variable.ts";
import { nodeModule } from "../../runtime.ts";
import { Fields } from "./fields.ts";
import { readGraph } from "./graph.ts";
import { sameSignal, type Signal, toShape } from "./layout.ts";
import { loopOf } from "./loop.ts";
import { neuronLayer, type Reading } from "./neuronLayer.ts";
import { type Part, partOf } from "./nodes.ts";
import { readReadout } from "./readout.ts";
import { sourcesOf, type Topology, topologyOf } from "./topology.ts";
import { type H5wasm, h5wasmKind, readTree } from "./tree.ts";

const { readFile } = nodeModule("node:fs/promises");

export interface ImportNirOptions {
  device: Device;
  /** Seconds of a time step. */
  dt: number;
  /** T. */
  steps: number;
  /** What a spike does to the membrane, in all neurons: sets it to v_reset ("hard"), takes the threshold from it ("soft"), nothing ("none"). Default: what the file's metadata say, else "hard", as NIR does. */
  reset?: "hard" | "soft" | "none";
  /** Whether that happens in the step after, and is ignored by the gradient, as in snnTorch. Default: what the file's metadata say, else false. */
  resetDelay?: boolean;
  /** Of all neurons that fire. Default: that of the file's metadata, else surrogate.atan(). */
  surrogate?: Surrogate;
  /** The layer that follows the graph. Default: that of the file's metadata, else everyStep(). */
  readout?: Layer;
  /** What the network computes in. Default: "float32". */
  precision?: Precision;
  /** The package h5wasm, for bundlers that must see what they take along: `import * as h5wasm from "h5wasm"`. Default: it is imported. */
  h5wasm?: H5wasm;
}

export interface ImportedNir {
  model: Model;
  /** For people: how the file was read where it leaves a choice, node by node. */
  rules: readonly string[];
}

const OPTIONS: OptionKinds<ImportNirOptions> = {
  device: required(deviceKind), dt: required(positive), steps: required(integer(1)), reset: oneOf("hard", "soft", "none"), resetDelay: flag, surrogate: surrogateKind, readout: layerKind,
  precision: oneOf(...PRECISIONS), h5wasm: h5wasmKind,
};

/**
 * A model from a graph of the Neuromorphic Intermediate Representation (J. E. Pedersen et al., Nature Communications 15, 2024; release 1.0.7 of its Python package). Time constants become
 * decays by Euler's method: 1 − dt/τ. The model takes [T, B, ...] with the channels last, where NIR has them first.
 * @param source path of the file, or its bytes
 * @throws FileFormatError, naming the node, for a file that is malformed or has what cannot be had here, or if h5wasm is not installed; OptionError for options that are missing or out of range
 */
export async function importNir(source: string | Uint8Array, options: ImportNirOptions): Promise<ImportedNir> {
  checkArgument("importNir", "source", source, either(text, instanceOf(Uint8Array, "a Uint8Array")));
  checkOptions("importNir", options, OPTIONS);
  const { device, dt, steps, precision, readout } = options;
  const file = typeof source === "string" ? source : "the NIR file";
  const graph = readGraph(await readTree(await bytesOf(source), file, options.h5wasm), file);
  const rules = [`dt = ${dt} s, Euler's method: decays are 1 − dt/τ, and a membrane takes its current's new value; membranes and currents start at 0; channels come last`, ...graph.rules];
  const topology = topologyOf(graph, file, rules);
  const { order, loops } = topology;
  const reading: Reading = {
    dt, rules, consumers: (name) => order.filter(({ from }) => from.includes(name)).map((node) => new Fields(node, file)),
    wanted: Object.fromEntries((["reset", "resetDelay", "surrogate"] as const).flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]]))),
  };
  const parts = new Map<string, Part>();
  for (const node of order) {
    const fields = new Fields(node, file);
    const input = inputOf(fields, loops, parts);
    const loop = loops.get(node.name);
    parts.set(node.name, loop ? neuronLayer(fields, input, reading, loopOf(loop.map((each) => new Fields(each, file)), fields, input, rules)) : partOf(fields, input, reading));
  }
  const inputShape = toShape(parts.get(topology.input.name)!.signal.shape);
  const end = readout ?? readReadout(graph.metadata) ?? everyStep();
  const model = Model.build(bodyOf(topology, parts, end), { device, inputShape, steps, random: new Random(0), precision });
  for (const { layer, values = [] } of parts.values()) layer?.parameters().forEach(({ value }, i) => device.write(value, values[i]));
  rules.push(`read out by ${end.description}`);
  return { model, rules };
}

async function bytesOf(source: string | Uint8Array): Promise<Uint8Array> {
  if (typeof source !== "string") return source;
  if (!readFile) throw new FileFormatError(`importNir: a page reads no paths such as ${source}: give it the bytes of the file`);
  return readFile(source).catch((cause: Error) => {
    throw new FileFormatError(`importNir: ${source} cannot be read: ${cause.message}`, { cause });
  });
}

/** The sum of what a node reads. */
function inputOf(fields: Fields, loops: Topology["loops"], parts: ReadonlyMap<string, Part>): Signal {
  const { name } = fields.node;
  const sources = sourcesOf(fields.node, loops);
  if (sources.length === 0) return { shape: [1] };
  const signals = sources.map((source) => parts.get(source)!.signal);
  const other = signals.findIndex((signal) => signal.shape.join() !== signals[0].shape.join());
  if (other > 0) fields.fail(`adds ${sources[0]}, [${signals[0].shape.join(", ")}], and ${sources[other]}, [${signals[other].shape.join(", ")}]: expected the same shape`);
  if (!signals.every((signal) => sameSignal(signal, signals[0]))) fields.fail(`adds what was flattened and what was not, which lie in different orders here: put ${name} before the flatten`);
  return signals[0];
}

/** One layer after the other where the graph is a chain, else a function that follows its edges. */
function bodyOf({ order, loops, input, output }: Topology, parts: ReadonlyMap<string, Part>, readout: Layer): Layer {
  const steps = order.map((node) => ({ name: node.name, sources: sourcesOf(node, loops), layer: parts.get(node.name)!.layer }));
  const isChain = steps.every(({ sources }, i) => i === 0 || (sources.length === 1 && sources[0] === steps[i - 1].name));
  if (isChain) return sequential(...steps.flatMap(({ layer }) => layer ?? []), readout);
  const graph: LayerLike = (tape: Tape, x: Variable): Variable => {
    const values = new Map([[input.name, x]]);
    for (const { name, sources, layer } of steps.filter((step) => step.sources.length > 0)) {
      const sum = sources.map((source) => values.get(source)!).reduce((a, b) => tape.add(a, b));
      values.set(name, layer ? layer.forward(tape, sum) : sum);
    }
    return values.get(output.name)!;
  };
  return sequential(graph, readout);
}

