import { OptionError } from "../../errors.ts";
import type { Tensor } from "../../device/device.ts";
import { elements } from "../../nn/axes.ts";
import type { Layer } from "../../nn/layer.ts";
import { Spiking } from "../../nn/spiking.ts";
import { pathOf } from "../../nn/structure.ts";
import type { Shape } from "../../nn/variable.ts";
import { emitExpressions } from "./expressions.ts";
import type { Graph } from "./graph.ts";

/** A value of one step: its name in the graph, without the batch its shape, and the states that the neurons which made it are left with. */
export interface Value {
  name: string;
  shape: Shape;
  states?: ReadonlyMap<string, string>;
}

/** A state of a layer of neurons, that goes from step to step. */
export interface StateInput {
  /** Of the graph's input, and of the output that is given to it in the next step. */
  input: string;
  output: string;
  /** Without the batch. */
  shape: Shape;
  /** Before the first step. */
  initial: number;
}

/** What is written so far. */
export interface Writing {
  graph: Graph;
  /** A copy of a tensor of the model's. */
  values(tensor: Tensor): Float32Array;
  states: StateInput[];
}

type Emit = (writing: Writing, layer: Layer, x: Value) => string;

/** The result of a layer. Values have their channels last, as here. */
export function emitLayer(writing: Writing, layer: Layer, x: Value): Value {
  if (layer instanceof Spiking) return emitNeurons(writing, layer, x);
  const emit = EMITTERS[layer.kind];
  if (!emit) throw new OptionError(`${layer.name} is a kind of layer that is not written as ONNX; those are: ${Object.keys(EMITTERS).join(", ")}, spiking, recurrent, and read-outs`);
  return { name: emit(writing, layer, x), shape: layer.outputShape };
}

const linear: Emit = ({ graph, values }, layer, x) => {
  const [weight, bias] = layer.parameters();
  const rows = x.shape.length > 1 ? flat(graph, x) : x.name;
  const product = graph.node("MatMul", [rows, graph.floats(weight.name, weight.value.shape, () => values(weight.value))]);
  return bias ? graph.node("Add", [product, graph.floats(bias.name, bias.value.shape, () => values(bias.value))]) : product;
};

const flat = (graph: Graph, { name, shape }: Value): string => graph.node("Reshape", [name, graph.integers([0, elements(shape)])]);

/** A convolution or pooling, which have the channels first in ONNX. */
const windowed = (operator: string, extra: (writing: Writing, layer: Layer) => { inputs?: string[]; attributes?: Record<string, number | readonly number[]> } = () => ({})): Emit => (writing, layer, x) => {
  const { graph } = writing;
  const rank = x.shape.length - 1;
  const of = (name: string): readonly number[] => ((layer.options[name] ?? [1, 1]) as readonly number[]).slice(-rank);
  const { inputs = [], attributes = {} } = extra(writing, layer);
  const axes = x.shape.slice(1).map((_, axis) => axis);
  const first = graph.node("Transpose", [x.name], { perm: [0, rank + 1, ...axes.map((axis) => axis + 1)] });
  const y = graph.node(operator, [first, ...inputs], { kernel_shape: of("size"), strides: of("stride"), pads: [...of("padding"), ...of("padding")], ...attributes });
  return graph.node("Transpose", [y], { perm: [0, ...axes.map((axis) => axis + 2), 1] });
};

const convolution = windowed("Conv", ({ graph, values }, layer) => {
  const [weight, bias] = layer.parameters();
  const rank = weight.value.shape.length;
  const here = graph.floats(weight.name, weight.value.shape, () => values(weight.value));
  const there = graph.node("Transpose", [here], { perm: [rank - 1, rank - 2, ...weight.value.shape.slice(2).map((_, axis) => axis)] });
  const dilations = ((layer.options.dilation ?? [1, 1]) as readonly number[]).slice(2 - rank);
  return { inputs: [there, ...(bias ? [graph.floats(bias.name, bias.value.shape, () => values(bias.value))] : [])], attributes: { dilations, group: (layer.options.groups as number | undefined) ?? 1 } };
});

/** z = s·y + b with s = γ/√(var + eps) and b = β − mean·s, as here in evaluation. */
const batchNorm: Emit = ({ graph, values }, layer, x) => {
  const [gamma, beta, mean, variance] = [...layer.parameters(), ...layer.buffers()].map(({ name, value }) => graph.floats(name, value.shape, () => values(value)));
  const scale = graph.node("Div", [gamma, graph.node("Sqrt", [graph.node("Add", [variance, graph.constant(Math.fround(layer.options.eps as number))])])]);
  const shift = graph.node("Sub", [beta, graph.node("Mul", [mean, scale])]);
  return graph.node("Add", [graph.node("Mul", [x.name, scale]), shift]);
};

const mean = windowed("AveragePool", () => ({ attributes: { count_include_pad: 1 } }));

const pooledLinear: Emit = (writing, layer, x) => {
  if (x.shape[0] !== layer.options.grid || x.shape[1] !== layer.options.grid) throw new OptionError(`${layer.name}: its map of ${x.shape[0]} × ${x.shape[1]} is averaged to ${layer.options.grid} × ${layer.options.grid}, which is not written as ONNX: build it with that grid`);
  return linear(writing, layer, x);
};

const EMITTERS: Readonly<Record<string, Emit>> = {
  linear, pooledLinear, conv1d: convolution, conv2d: convolution, batchNorm2d: batchNorm, tdBN: batchNorm,
  maxPool1d: windowed("MaxPool"), maxPool2d: windowed("MaxPool"), avgPool1d: mean, avgPool2d: mean,
  sumPool2d: (writing, layer, x) => writing.graph.node("Mul", [mean(writing, layer, x), writing.graph.constant(elements(layer.options.size as readonly number[]))]),
  globalAvgPool1d: (writing, layer, x) => flat(writing.graph, { name: mean(writing, layer, x), shape: layer.outputShape }),
  globalAvgPool2d: (writing, layer, x) => flat(writing.graph, { name: mean(writing, layer, x), shape: layer.outputShape }),
  flatten: ({ graph }, _, x) => flat(graph, x),
  dropout: (_, __, x) => x.name,
};

/** One step of a layer's neurons. A layer that runs in several places has states of its own in each. */
function emitNeurons(writing: Writing, layer: Spiking, x: Value): Value {
  const { graph, values, states } = writing;
  const { neuron, mix } = layer;
  const { shape } = x;
  const path = pathOf(layer) || layer.kind;
  const calls = states.filter(({ input }) => input.startsWith(`${path}.`) || input.startsWith(`${path}#`)).length / Object.keys(neuron.state).length;
  const place = calls > 0 ? `${path}#${calls + 1}` : path;
  const held = new Map([...layer.learnt.map((name) => [name, layer.parameter(name)] as const), ...layer.buffers().map((buffer) => [buffer.name.slice(buffer.name.lastIndexOf(".") + 1), buffer] as const)]);
  const inputs = new Map(Object.keys(neuron.state).map((name) => [name, graph.input(`${place}.${name}`, shape)]));
  const mixed = mix && graph.node("MatMul", [inputs.get(mix.state)!, graph.floats(mix.weight.name, mix.weight.value.shape, () => values(mix.weight.value))]);
  const leaf = (role: string, name: string): string => {
    if (role === "state") return inputs.get(name)!;
    if (role === "input") return mix && name === mix.input ? mixed! : x.name;
    const given = held.get(name);
    if (!given) return graph.constant(Math.fround(neuron.params[name]));
    const { size } = given.value;
    return graph.floats(given.name, size === elements(shape) ? shape : [size], () => values(given.value));
  };
  const names = Object.keys(neuron.state);
  const results = emitExpressions(graph, [...names, "spike"].map((name) => neuron.next[name]), leaf);
  // A state may be a number that is the same for all neurons.
  const full = (name: string): string => graph.node("Expand", [name, graph.node("Shape", [x.name])]);
  names.forEach((name, i) => {
    const output = graph.node("Identity", [full(results[i])], {}, `${place}.${name}.next`);
    states.push({ input: `${place}.${name}`, output, shape, initial: neuron.state[name] });
  });
  return { name: results[names.length], shape, states: new Map(names.map((name) => [name, `${place}.${name}.next`])) };
}
