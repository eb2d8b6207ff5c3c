import type { Tensor } from "../../device/device.ts";
import { OptionError } from "../../errors.ts";
import { Spiking } from "../../nn/spiking.ts";
import type { Shape } from "../../nn/variable.ts";
import { type Axes, lengthsThere } from "./axes.ts";
import { RESETS, snntorchReset } from "./neurons.ts";
import type { Channels, Place } from "./places.ts";

export type TorchLibrary = "torch" | "snntorch" | "spikingjelly";
export const LIBRARIES: readonly TorchLibrary[] = ["torch", "snntorch", "spikingjelly"];

/** A tensor of a PyTorch module, by its name there, and what it is here. */
export type Slot = { name: string } & (
  | { is: "values"; /** Ours, one after the other. */ tensors: readonly Tensor[]; axes: Axes; /** There. */ shape: readonly number[]; /** Of neurons: a scalar there holds for all channels. */ isNeurons?: boolean; /** Another name of it there. */ alias?: string }
  | { is: "constant"; /** What our neuron has built in. */ value: number; isInteger?: boolean; describe?: (value: number) => string }
  | { is: "counter" }
);

/** The tensors that a module of the library has for a layer, named as in the module. */
export function slotsOf(place: Place, library: TorchLibrary): Slot[] {
  const { layer } = place;
  if (layer instanceof Spiking) return ofNeurons(layer, place, library);
  const make = MODULES[layer.kind];
  if (make) return make(place);
  if (layer.parameters().length + layer.buffers().length > 0) {
    throw new OptionError(`${layer.name} is a layer whose weights have no known place in PyTorch's files: take ${layer.parameters().map(({ name }) => name).join(", ")} over yourself`);
  }
  return [];
}

const identity = (shape: Shape): Axes => ({ shape, order: shape.map((_, axis) => axis) });

const values = (name: string, tensor: Tensor, axes: Axes, shape: readonly number[] = lengthsThere(axes)): Slot => ({ name, is: "values", tensors: [tensor], axes, shape });

/** Values of the channels, which are first there. */
function channelAxes({ shape, map }: Channels): Axes {
  return map ? { shape: map, order: [map.length - 1, ...map.slice(1).map((_, axis) => axis)] } : identity(shape.slice(-1));
}

/** [inputs, outputs] here, [outputs, inputs] there, where the inputs may be a flattened map, which has its channels first there. */
const matrixAxes = (inputs: Axes, outputs: number): Axes => ({ shape: [...inputs.shape, outputs], order: [inputs.shape.length, ...inputs.order] });

type Make = (place: Place) => Slot[];

const linear: Make = ({ layer, input }) => {
  const [weight, bias] = layer.parameters();
  // A pooled map comes flattened: the grid's positions and channels are the rows.
  const grid = layer.kind === "pooledLinear" ? (layer.options.grid as number) : undefined;
  const inputs = grid === undefined ? input : { shape: [weight.value.shape[0]], map: [grid, grid, input.shape[input.shape.length - 1]] };
  return [values("weight", weight.value, matrixAxes(channelAxes(inputs), weight.value.shape[1]), [...weight.value.shape].reverse()), ...(bias ? [values("bias", bias.value, identity(bias.value.shape))] : [])];
};

const convolution: Make = ({ layer }) => {
  const [weight, bias] = layer.parameters();
  const { shape } = weight.value;
  const rank = shape.length;
  return [values("weight", weight.value, { shape, order: [rank - 1, rank - 2, ...shape.slice(2).map((_, axis) => axis)] }), ...(bias ? [values("bias", bias.value, identity(bias.value.shape))] : [])];
};

const norm: Make = ({ layer, input }) => {
  const axes = channelAxes(input);
  return layer.parameters().map(({ value }, i) => (i < 2 ? values(["weight", "bias"][i], value, axes, value.shape) : values("scale", value, identity(value.shape))));
};

const batchNorm: Make = (place) => {
  const axes = channelAxes(place.input);
  const statistics = place.layer.buffers().map(({ value }, i) => values(["running_mean", "running_var"][i], value, axes, value.shape));
  return [...norm(place), ...statistics, { name: "num_batches_tracked", is: "counter" }];
};

const MODULES: Readonly<Record<string, Make>> = {
  linear, pooledLinear: linear, conv1d: convolution, conv2d: convolution, batchNorm2d: batchNorm, tdBN: batchNorm, tebn: batchNorm, layerNorm: norm,
  groupNorm: (place) => norm(place),
};

function ofNeurons(layer: Spiking, { input }: Place, library: TorchLibrary): Slot[] {
  const connection = layer.kind === "recurrent" ? ofConnection(layer, input, library) : [];
  const taken = new Set(connection.flatMap((slot) => (slot.is === "values" ? slot.tensors : [])));
  const held = [...layer.learnt.map((name) => [name, layer.parameter(name).value] as const), ...layer.buffers().map(({ name, value }) => [name.slice(name.lastIndexOf(".") + 1), value] as const)];
  const own = held.filter(([, tensor]) => !taken.has(tensor)).map(([name, tensor]): Slot => ({ name, is: "values", tensors: [tensor], isNeurons: true, ...neuronAxes(tensor, input) }));
  if (library === "snntorch") return [...connection, ...own, ...ofSnntorch(layer, own.map(({ name }) => name))];
  return [...connection, ...(library === "spikingjelly" && layer.neuron.name === "gatedLif" ? gated(own) : own)];
}

/** Of one value, one for each channel, which lie before height and width there, or one for each neuron. */
function neuronAxes({ size }: Tensor, input: Channels): { axes: Axes; shape: readonly number[] } {
  const { shape } = input;
  if (size === 1) return { axes: identity([1]), shape: [] };
  if (size === shape[shape.length - 1]) return { axes: channelAxes(input), shape: [size, ...shape.slice(1).map(() => 1)] };
  const axes = { shape, order: [shape.length - 1, ...shape.slice(1).map((_, axis) => axis)] };
  return { axes, shape: lengthsThere(axes) };
}

/** What snnTorch's neurons keep besides what is held here. */
function ofSnntorch(layer: Spiking, held: readonly string[]): Slot[] {
  const reset = snntorchReset(layer);
  if (reset === undefined) return [];
  if (layer.kind === "recurrent" && layer.neuron.name === "leaky" && reset === "zero") {
    throw new OptionError(`${layer.name}: snnTorch's RLeaky with the reset "zero" clears the new input too, leaky({ reset: "zero" }) does not: the two spike differently`);
  }
  const { params } = layer.neuron;
  const fixed = ["beta", "alpha", "threshold"].filter((name) => Object.hasOwn(params, name) && !held.includes(name));
  return [
    ...fixed.map((name): Slot => ({ name, is: "constant", value: Math.fround(params[name]) })),
    { name: "graded_spikes_factor", is: "constant", value: 1 },
    { name: "reset_mechanism_val", is: "constant", value: RESETS.indexOf(reset), isInteger: true, describe: (value) => `${value} (${RESETS[value] ?? "unknown"})` },
  ];
}

/** snnTorch's `recurrent`, and the same names where the library has no such layer. */
function ofConnection(layer: Spiking, input: Channels, library: TorchLibrary): Slot[] {
  if (library === "spikingjelly") {
    throw new OptionError(`${layer.name}: SpikingJelly's LinearRecurrentContainer has one matrix for inputs and spikes, which a recurrent layer here has not: take its parts over yourself`);
  }
  const [weight, bias] = layer.parameters();
  const channels = channelAxes(input);
  const biases = layer.options.bias ? [values("recurrent.bias", bias.value, channels, bias.value.shape)] : [];
  if (layer.options.weights === "elementwise") {
    if (biases.length > 0 && library === "snntorch") throw new OptionError(`${layer.name}: snnTorch's one-to-one connections have no bias: build the layer with { bias: false }`);
    return [{ name: "recurrent.V", alias: "V", is: "values", tensors: [weight.value], axes: channels, shape: weight.value.shape, isNeurons: true }, ...biases];
  }
  const rank = channels.shape.length;
  const axes = { shape: [...channels.shape, ...channels.shape], order: [...channels.order.map((axis) => axis + rank), ...channels.order] };
  return [values("recurrent.weight", weight.value, axes, weight.value.shape), ...biases];
}

/** GatedLIFNode has its conductances in one tensor, and some names of its own. */
function gated(own: readonly Slot[]): Slot[] {
  const names: Readonly<Record<string, string>> = { threshold: "v_threshold", linearDecay: "linear_decay", vSubreset: "v_subreset" };
  const isConductance = ({ name }: Slot): boolean => name.startsWith("conduct");
  const tensors = own.filter(isConductance).flatMap((slot) => (slot.is === "values" ? slot.tensors : []));
  const conduct: Slot = { name: "conduct", is: "values", tensors, axes: identity([tensors.length]), shape: [tensors.length] };
  return [...own.filter((slot) => !isConductance(slot)).map((slot) => ({ ...slot, name: names[slot.name] ?? slot.name })), conduct];
}
