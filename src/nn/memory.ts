import "../dispose.ts";
import { checkArgument, checkOptions, flag, integer, kind, listOf, object, type OptionKinds, required, text } from "../check.ts";
import { Random } from "../data/random.ts";
import { blockOf, CountingDevice, type Use } from "../device/counting.ts";
import type { Device, Tensor } from "../device/device.ts";
import { type Layer, type Parameter, unique } from "./layer.ts";
import { clearGradients } from "./parameter.ts";
import { OptionError } from "../errors.ts";
import { alone, type ProcessGroup } from "../parallel/group.ts";
import { Tape } from "./tape.ts";
import { TimeChunk } from "./timeChunk.ts";
import type { Shape, Variable } from "./variable.ts";

export interface MemoryOptions {
  /** B. */
  batch: number;
  /** The optimiser that trains: it keeps a value of each weight for each of its slots. Default: none. */
  optimizer?: { readonly slots: readonly string[] };
  /** Whether the input is [1, B, ...] and holds at all T steps. Default: false. */
  timeConstant?: boolean;
  /** Into how many chunks time is cut, each on a device of its own: what the one takes that takes most. Default: 1. */
  timeChunks?: number;
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
  batch: required(integer(1)), timeConstant: flag, timeChunks: integer(1),
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
  const rows = keptBy(model, options.optimizer);
  const training = pass(model, run, options, { training: true, before: total(rows, "parameters") + total(rows, "optimizer") });
  const evaluation = pass(model, run, options, { training: false, before: total(rows, "parameters") });
  const layers = rows.map(({ layer, parameters, optimizer, own }): LayerMemory => ({
    layer, parameters, gradients: own.reduce((sum, parameter) => sum + (training.gradients.get(parameter) ?? 0), 0), optimizer,
    tape: training.tape.get(layer) ?? 0, working: training.working.get(layer) ?? 0,
  }));
  return { training: training.peak, evaluation: evaluation.peak, input: training.input, layers: layers.filter(({ tape, working }, i) => rows[i].isLeaf || tape + working > 0) };
}

/** The largest batch with which a training step takes at most so many bytes; 0 if there is none. */
export function largestBatch(model: Planned, run: Run, bytes: number, options: Omit<MemoryOptions, "batch">): number {
  const { batch: _, ...kinds } = OPTIONS;
  checkArgument("model.largestBatch", "bytes", bytes, integer(0));
  checkOptions("model.largestBatch", options, kinds);
  const rows = keptBy(model, options.optimizer);
  const before = total(rows, "parameters") + total(rows, "optimizer");
  const holds = (batch: number): boolean => pass(model, run, { ...options, batch }, { training: true, before }).peak <= bytes;
  let [fits, exceeds] = [0, 1];
  while (holds(exceeds)) [fits, exceeds] = [exceeds, exceeds * 2];
  while (exceeds - fits > 1) {
    const middle = Math.floor((fits + exceeds) / 2);
    if (holds(middle)) fits = middle;
    else exceeds = middle;
  }
  return fits;
}

/** What each layer, without the layers in it, keeps from step to step. */
interface Kept {
  layer: string;
  isLeaf: boolean;
  own: readonly Parameter[];
  parameters: number;
  optimizer: number;
}

function keptBy({ device, body }: Planned, { slots }: NonNullable<MemoryOptions["optimizer"]> = { slots: [] }): Kept[] {
  const bytes = (tensors: readonly { value: Tensor }[]): number => tensors.reduce((sum, { value }) => sum + blockOf(device, value), 0);
  return every(body).map((layer) => {
    const inner = layer.layers();
    const own = without(layer.parameters(), inner.flatMap((each) => each.parameters()));
    const buffers = without(layer.buffers(), inner.flatMap((each) => each.buffers()));
    return { layer: layer.name, isLeaf: inner.length === 0, own, parameters: bytes(own) + bytes(buffers), optimizer: slots.length * bytes(own) };
  });
}

const total = (rows: readonly Kept[], figure: "parameters" | "optimizer"): number => rows.reduce((sum, row) => sum + row[figure], 0);

type Run = (tape: Tape, x: Variable) => Variable;

interface Pass {
  /** The most bytes in use at once. */
  peak: number;
  input: number;
  /** By layer: what the forward pass left. */
  tape: ReadonlyMap<string, number>;
  working: ReadonlyMap<string, number>;
  gradients: ReadonlyMap<Parameter, number>;
}

/** Runs a pass on a device that counts, on which `before` bytes are in use. */
function pass(model: Planned, run: Run, options: MemoryOptions, of: Of): Pass {
  const { timeChunks: size = 1 } = options;
  if (size > model.steps) throw new OptionError(`model.memory: T = ${model.steps} time steps cannot be cut into ${size} chunks`);
  if (size === 1) return passOf(model, run, options, of);
  // Those that start, pass on and end differ in what they hold at their borders, and the first are the longest.
  const passes = [...new Set([0, 1, size - 1])].map((rank) => passOf(model, run, options, of, silent(rank, size)));
  return passes.reduce((most, each) => (each.peak > most.peak ? each : most));
}

/** A rank of whose group nobody is there. */
const silent = (rank: number, size: number): ProcessGroup => ({ ...alone(), rank, size, send: () => undefined, receive: () => undefined });

interface Of {
  training: boolean;
  before: number;
}

function passOf(model: Planned, run: Run, { batch, timeConstant = false }: MemoryOptions, { training, before }: Of, group?: ProcessGroup): Pass {
  const { device: real, inputShape, body } = model;
  const carry = group && new TimeChunk(group, model.steps);
  const steps = carry?.count ?? model.steps;
  const statistics = group && { group, own: steps, all: model.steps };
  const device = new CountingDevice(real, before);
  const byLayer = (figure: keyof Use): Map<string, number> => new Map([...device.uses].map(([layer, use]) => [layer, use[figure]]));
  const parameters = body.parameters();
  const gradients = parameters.map(({ gradient }) => gradient);
  for (const parameter of parameters) parameter.gradient = null;
  try {
    using x = device.empty([timeConstant ? 1 : steps, batch, ...inputShape]);
    const input = device.bytesInUse - before;
    using tape = new Tape(device, { steps, training, random: new Random(0), planning: device, carry, statistics });
    const output = run(tape, tape.input(x, { timeConstant }));
    // The loss: its gradient, itself, labels.
    const loss = [device.empty(output.value.shape), device.empty([1]), device.empty([batch], "i32")];
    const left = byLayer("held");
    if (training) tape.backward(output, loss[0]);
    for (const tensor of loss) tensor.dispose();
    const found = parameters.flatMap((parameter) => (parameter.gradient ? [[parameter, blockOf(device, parameter.gradient)] as const] : []));
    return { peak: device.peak, input, tape: left, working: byLayer("working"), gradients: new Map(found) };
  } finally {
    carry?.dispose();
    clearGradients(parameters);
    parameters.forEach((parameter, i) => (parameter.gradient = gradients[i]));
  }
}

const every = (layer: Layer): Layer[] => unique([layer, ...layer.layers().flatMap(every)]);

const without = <T>(all: readonly T[], some: readonly T[]): T[] => all.filter((item) => !some.includes(item));
