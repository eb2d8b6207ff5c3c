import "../dispose.ts";
import { checkArgument, checkOptions, flag, integer, kind, listOf, object, type OptionKinds, required, text } from "../check.ts";
import { Random } from "../data/random.ts";
import { blockOf, CountingDevice, type Use } from "../device/counting.ts";
import type { Device, Tensor } from "../device/device.ts";
import { type Layer, type Parameter, unique } from "./layer.ts";
import { clearGradients } from "./parameter.ts";
import { Tape } from "./tape.ts";
import type { Shape, Variable } from "./variable.ts";

export interface MemoryOptions {
  /** B. */
  batch: number;
  /** The optimiser that trains: it keeps a value of each weight for each of its slots. Default: none. */
  optimizer?: { readonly slots: readonly string[] };
  /** Whether the input is [1, B, ...] and holds at all T steps. Default: false. */
  timeConstant?: boolean;
}

/** Bytes of one layer. */
export interface LayerMemory {
  /** "2: linear(512, 10)". */
  layer: string;
  /** Parameters, and other values that it keeps: running statistics. */
  parameters: number;
  gradients: number;
  /** What the optimiser keeps for its parameters. */
  optimizer: number;
  /** What it leaves on the tape for the backward pass. */
  tape: number;
  /** What it has at once besides what was there before, while it runs forward or backward: results, gradients on their way, workspaces. */
  working: number;
}

/** What memory passes of a model take, in bytes. */
export interface MemoryPlan {
  /** The most at once in a training step: parameters, gradients, optimiser, input, tape, workspaces. */
  training: number;
  /** The most at once in an evaluation: parameters, input, activations, workspaces. */
  evaluation: number;
  /** Of the input. */
  input: number;
  layers: LayerMemory[];
}

const OPTIONS: OptionKinds<MemoryOptions> = {
  batch: required(integer(1)), timeConstant: flag,
  optimizer: kind("an optimiser: adam({ lr: 0.001 })", (x) => object.accepts(x) && listOf(text).accepts((x as { slots?: unknown }).slots)),
};

/** A model, as far as its memory goes. */
export interface Planned {
  readonly device: Device;
  readonly inputShape: Shape;
  readonly steps: number;
  readonly body: Layer;
}

/** What a training step and an evaluation of `model` take; `run` is its forward pass. Nothing is computed. */
export function planMemory(model: Planned, run: Run, options: MemoryOptions): MemoryPlan {
  checkOptions("model.memory", options, OPTIONS);
  const { device, body } = model;
  const { slots = [] } = options.optimizer ?? {};
  const bytes = (tensors: readonly Pick<Tensor, "shape" | "dtype">[]): number => tensors.reduce((sum, tensor) => sum + blockOf(device, tensor), 0);
  const own = every(body).map((layer) => {
    const inner = layer.layers();
    const [parameters, buffers] = [without(layer.parameters(), inner.flatMap((each) => each.parameters())), without(layer.buffers(), inner.flatMap((each) => each.buffers()))];
    const weights = bytes(parameters.map(({ value }) => value));
    return { layer: layer.name, isLeaf: inner.length === 0, parameters: weights + bytes(buffers.map(({ value }) => value)), optimizer: slots.length * weights, gradientsOf: parameters };
  });
  const [parameters, optimizer] = [own.reduce((sum, row) => sum + row.parameters, 0), own.reduce((sum, row) => sum + row.optimizer, 0)];
  const training = pass(model, run, options, { training: true, before: parameters + optimizer });
  const evaluation = pass(model, run, options, { training: false, before: parameters });
  const layers = own.map(({ layer, isLeaf, gradientsOf, ...kept }) => ({
    isLeaf,
    row: { layer, ...kept, gradients: bytes(gradientsOf.flatMap((parameter) => training.gradients.get(parameter) ?? [])), tape: training.tape.get(layer) ?? 0, working: training.working.get(layer) ?? 0 },
  }));
  return {
    training: training.peak, evaluation: evaluation.peak, input: training.input,
    layers: layers.filter(({ isLeaf, row: { tape, working } }) => isLeaf || tape + working > 0).map(({ row }) => row),
  };
}

/** The largest batch with which a training step takes at most so many bytes; 0 if there is none. */
export function largestBatch(model: Planned, run: Run, bytes: number, options: Omit<MemoryOptions, "batch">): number {
  const { batch: _, ...kinds } = OPTIONS;
  checkArgument("model.largestBatch", "bytes", bytes, integer(0));
  checkOptions("model.largestBatch", options, kinds);
  const memory = (batch: number): number => planMemory(model, run, { ...options, batch }).training;
  let [fits, exceeds] = [0, 1];
  while (memory(exceeds) <= bytes) [fits, exceeds] = [exceeds, exceeds * 2];
  while (exceeds - fits > 1) {
    const middle = Math.floor((fits + exceeds) / 2);
    if (memory(middle) <= bytes) fits = middle;
    else exceeds = middle;
  }
  return fits;
}

type Run = (tape: Tape, x: Variable) => Variable;

interface Pass {
  /** The most bytes in use at once. */
  peak: number;
  input: number;
  /** By layer: what the forward pass left. */
  tape: ReadonlyMap<string, number>;
  working: ReadonlyMap<string, number>;
  gradients: ReadonlyMap<Parameter, Tensor>;
}

/** Runs a pass on a device that counts, on which `before` bytes are in use. */
function pass(model: Planned, run: Run, { batch, timeConstant = false }: MemoryOptions, { training, before }: { training: boolean; before: number }): Pass {
  const { device: real, inputShape, steps, body } = model;
  const device = new CountingDevice(real, before);
  const byLayer = (figure: keyof Use): Map<string, number> => new Map([...device.uses].map(([layer, use]) => [layer, use[figure]]));
  const parameters = body.parameters();
  const gradients = parameters.map(({ gradient }) => gradient);
  for (const parameter of parameters) parameter.gradient = null;
  try {
    using x = device.empty([timeConstant ? 1 : steps, batch, ...inputShape]);
    const input = device.bytesInUse - before;
    using tape = new Tape(device, { steps, training, random: new Random(0), planning: device });
    const output = run(tape, tape.input(x, { timeConstant }));
    // The loss: its gradient, itself, labels.
    const loss = [device.empty(output.value.shape), device.empty([1]), device.empty([batch], "i32")];
    const left = byLayer("held");
    if (training) tape.backward(output, loss[0]);
    for (const tensor of loss) tensor.dispose();
    const found = parameters.flatMap((parameter) => (parameter.gradient ? [[parameter, parameter.gradient] as const] : []));
    return { peak: device.peak, input, tape: left, working: byLayer("working"), gradients: new Map(found) };
  } finally {
    clearGradients(parameters);
    parameters.forEach((parameter, i) => (parameter.gradient = gradients[i]));
  }
}

const every = (layer: Layer): Layer[] => unique([layer, ...layer.layers().flatMap(every)]);

const without = <T>(all: readonly T[], some: readonly T[]): T[] => all.filter((item) => !some.includes(item));
