import type { Window2d } from "../../device/device.ts";
import { OptionError } from "../../errors.ts";
import type { Layer } from "../../nn/layer.ts";
import { Spiking } from "../../nn/spiking.ts";
import { flattened, fromKernel, fromMatrix, fromShape, orderOf, type Signal } from "./layout.ts";
import { writeNeurons } from "./neuronNode.ts";
import { isReadout } from "./readout.ts";
import type { Leaf } from "./tree.ts";
import { integer, integers, type Wire, type Wiring } from "./wiring.ts";

/** Writes a layer that reads a wire. @throws OptionError, naming the layer, for one that NIR has no node for */
export async function writeLayer(wiring: Wiring, layer: Layer, input: Wire): Promise<Wire> {
  if (wiring.readout) throw new OptionError(`exportNir: ${layer.name} comes after the read-out ${wiring.readout.name}: NIR has none, so it must be the last layer`);
  if (isReadout(layer)) {
    wiring.readout = layer;
    return input;
  }
  if (layer instanceof Spiking) return writeNeurons(wiring, layer, nodeName(layer), input);
  if (!Object.hasOwn(WRITERS, layer.kind)) throw new OptionError(`exportNir: ${layer.name}: NIR has no node for it. Layers that it has nodes for: ${[...Object.keys(WRITERS), "spiking", "recurrent"].join(", ")}, and read-outs at the end`);
  return WRITERS[layer.kind](wiring, layer, input);
}

/** Where the layer is in the model, "3.body.0"; its kind where it is the model. */
const nodeName = ({ name, description, kind }: Layer): string => (name === description ? kind : name.slice(0, name.indexOf(": ")));

type Writer = (wiring: Wiring, layer: Layer, input: Wire) => Promise<Wire> | Wire;

const WRITERS: Readonly<Record<string, Writer>> = {
  sequential: inTurn,
  residual: async (wiring, layer, input) => {
    const [body, shortcut] = layer.layers();
    const past = shortcut ? await writeLayer(wiring, shortcut, input) : input;
    return wiring.sum(past, await writeLayer(wiring, body, input));
  },
  function: graph,
  dropout: (_, __, input) => input,
  flatten: (wiring, layer, input) => (input.signal.shape.length === 1 ? input : flat(wiring, nodeName(layer), input)),
  linear: async (wiring, layer, input) => {
    const [weight, bias] = await valuesOf(layer);
    const [inputs, outputs] = layer.parameters()[0].value.shape;
    const signal: Signal = { shape: [outputs] };
    const matrix = { shape: [outputs, inputs], data: fromMatrix(weight, orderOf(input.signal), orderOf(signal)) };
    return wiring.add(nodeName(layer), bias ? "Affine" : "Linear", { weight: matrix, ...(bias ? { bias: { shape: [outputs], data: bias } } : {}) }, signal, input);
  },
  conv1d: (wiring, layer, input) => convolution(wiring, layer, input, 1),
  conv2d: (wiring, layer, input) => convolution(wiring, layer, input, 2),
  avgPool2d: (wiring, layer, input) => wiring.add(nodeName(layer), "AvgPool2d", poolFields(layer), outputSignal(layer), input),
  sumPool2d: (wiring, layer, input) => wiring.add(nodeName(layer), "SumPool2d", poolFields(layer), outputSignal(layer), input),
  globalAvgPool2d: (wiring, layer, input) => {
    const [channels, ...extents] = input.signal.shape;
    const pooled = wiring.add(nodeName(layer), "AvgPool2d", { kernel_size: integers(extents), stride: integers(extents), padding: integers([0, 0]) }, { shape: [channels, 1, 1] }, input);
    return flat(wiring, `${nodeName(layer)}.flatten`, pooled);
  },
  batchNorm2d: batchNorm,
  tdBN: batchNorm,
};

async function inTurn(wiring: Wiring, layer: Layer, input: Wire): Promise<Wire> {
  let wire = input;
  for (const inner of layer.layers()) wire = await writeLayer(wiring, inner, wire);
  return wire;
}

/** The operations of a function, "%1 = 0(%0)", "%2 = %1 + %0" and "return %2", as `GraphRecord` writes them down. */
async function graph(wiring: Wiring, layer: Layer, input: Wire): Promise<Wire> {
  const wires = new Map([["%0", input]]);
  const at = (name: string): Wire => {
    const wire = wires.get(name);
    if (!wire) throw new OptionError(`exportNir: ${layer.name} uses a value from elsewhere, not what it was given: NIR has no node for that`);
    return wire;
  };
  for (const operation of layer.options.graph as readonly string[]) {
    const [, result, index, x, a, b] = /^(%\d+) = (?:(\d+)\((.*)\)|(.*) \+ (.*))$/.exec(operation) ?? [];
    if (result === undefined) return at(operation.replace("return ", ""));
    wires.set(result, index === undefined ? wiring.sum(at(a), at(b)) : await writeLayer(wiring, layer.layers()[Number(index)], at(x)));
  }
  return input;
}

const flat = (wiring: Wiring, name: string, input: Wire): Wire =>
  wiring.add(name, "Flatten", { input_type: integers(input.signal.shape), start_dim: integer(0), end_dim: integer(-1) }, flattened(input.signal), input);

async function convolution(wiring: Wiring, layer: Layer, input: Wire, rank: 1 | 2): Promise<Wire> {
  const { stride, padding, dilation = [1, 1], groups = 1 } = layer.options as unknown as Window2d & { groups?: number };
  const [weight, bias] = await valuesOf(layer);
  const { shape } = layer.parameters()[0].value;
  const [perGroup, outputs] = shape.slice(-2);
  const sizes = (lengths: readonly number[]): Leaf => (rank === 2 ? integers(lengths) : integer(lengths[1]));
  const extents = input.signal.shape.slice(1);
  return wiring.add(nodeName(layer), rank === 1 ? "Conv1d" : "Conv2d", {
    input_shape: rank === 2 ? integers(extents) : integer(extents[0]),
    weight: { shape: [outputs, perGroup, ...shape.slice(0, -2)], data: fromKernel(weight, shape) },
    bias: { shape: [outputs], data: bias ?? new Float32Array(outputs) },
    stride: sizes(stride), padding: sizes(padding), dilation: sizes(dilation), groups: integer(groups),
  }, outputSignal(layer), input);
}

function poolFields(layer: Layer): Record<string, Leaf> {
  const { size, stride, padding } = layer.options as unknown as Window2d;
  return { kernel_size: integers(size), stride: integers(stride), padding: integers(padding) };
}

/** scale = γ/√(var + eps) and shift = β − mean·scale, folded into the weights before. */
async function batchNorm(wiring: Wiring, layer: Layer, input: Wire): Promise<Wire> {
  const [gamma, beta, mean, variance] = await valuesOf(layer);
  const { eps } = layer.options as { eps: number };
  const scale = Float64Array.from(gamma, (value, c) => value / Math.sqrt(variance[c] + eps));
  const wire = wiring.fold(input, scale, Float64Array.from(beta, (value, c) => value - mean[c] * scale[c]));
  if (!wire) throw new OptionError(`exportNir: ${layer.name} is folded into the weights before it: expected it right after a linear or convolutional layer that nothing else reads`);
  wiring.rules.push(`${layer.name}: folded into the weights before it, with its running statistics`);
  return wire;
}

const outputSignal = ({ outputShape }: Layer): Signal => ({ shape: fromShape(outputShape) });

const valuesOf = async (layer: Layer): Promise<Float32Array[]> =>
  Promise.all([...layer.parameters(), ...layer.buffers()].map(async ({ value }) => (await value.device.read(value)) as Float32Array));
