import "../dispose.ts";
import { checkArgument, checkOptions, flag, func, instanceOf, integer, kind, listOf, optional, type OptionKinds, required, text, withMethods } from "../check.ts";
import { DeviceError, OptionError, ShapeError } from "../errors.ts";
import { Random } from "../data/random.ts";
import { type Device, deviceKind, type Tensor, tensorKind, type TypedArray } from "../device/device.ts";
import { copied, Gradients } from "./gradients.ts";
import { Feeds } from "./feeds.ts";
import { Lengths } from "./lengths.ts";
import { inPlace } from "./place.ts";
import { Recorder } from "./recorder.ts";
import { Carry } from "./carry.ts";
import { States } from "./states.ts";
import { type BatchShare, checkShare, shareKind } from "./share.ts";
import { checkStatistics, type SharedStatistics, statisticsKind } from "./statistics.ts";
import { type Building, checkOperation, type Learnable, type Operation, type OperationTape, type Planning } from "./operation.ts";
import { add } from "./sum.ts";
import { checkVariable, Deferred, Variable, variableKind } from "./variable.ts";

export interface TapeOptions {
  /** T. */
  steps: number;
  /** How many of the T steps of each sample are its own: read-outs and losses see no others. They stay the caller's, and must outlive the tape. Default: all are. */
  lengths?: Lengths;
  /** Whether layers behave as in training (batch statistics, dropout) and `backward` can follow. */
  training: boolean;
  /** Where dropout draws from; needed in training with dropout. Default: nowhere. */
  random?: Random;
  /** Keeps what the host gives the pass, so that the pass can be recorded and launched again. Default: it is made anew. */
  feeds?: Feeds;
  /** Collects spikes and firing rates. Default: nobody. */
  recorder?: Recorder;
  /**
   * Sees the spikes, [T, B, ...], that a spiking layer hands on, once they are computed; a recorder also has those that nothing asks for. Where samples have lengths, `valid` holds how many of
   * the valid steps have a spike, [B, ...]. The tensors stay the tape's. Default: nobody.
   */
  onSpikes?: (layer: string, spikes: Tensor, valid?: Tensor) => void;
  /** Puts operations on a tape that has the spikes which a spiking layer hands on, once they are computed, to add to their gradient; also where they are computed again in the backward pass. Default: nobody. */
  penalize?: (tape: Tape, layer: string, spikes: Variable) => void;
  /** Told, during `backward`, of each parameter that operations name once nothing on the tape adds to its gradient any more; of none if an operation does not name its own. Default: nobody. */
  onFinal?: (parameter: Learnable) => void;
  /** Where a batch lies on several processes: the samples of it that the pass has. Dropout is that of the whole batch, and so are rates that are regularised. Default: the batch is whole. */
  share?: BatchShare;
  /** The values of other processes that batch norm takes its statistics over too. Default: it sees the pass's own alone. */
  statistics?: SharedStatistics;
  /** Set when the tape has some of the T steps: what goes from them to the others. Default: it has all. */
  carry?: Carry;
  /** Where neurons begin, and where they leave their states for the pass that follows. Default: as their definition says. */
  states?: States;
  /** Set while a model is built: what is done instead of computing. Default: layers compute. */
  building?: Building;
  /** Set while memory is planned, on a device that computes nothing. Default: layers compute. */
  planning?: Planning;
}

export interface InputOptions {
  /** The tensor is [1, B, ...] and stands for all T steps. Default: false. */
  timeConstant?: boolean;
  /** Whether `backward` can be asked for its gradient. Default: false. */
  requiresGradient?: boolean;
}

const OPTIONS: OptionKinds<TapeOptions> = {
  steps: required(integer(1)), lengths: instanceOf(Lengths, "lengths: new Lengths(device, steps)"), training: required(flag), random: instanceOf(Random, "a Random: new Random(seed)"), recorder: instanceOf(Recorder, "a Recorder: new Recorder()"),
  feeds: instanceOf(Feeds, "feeds: new Feeds(device)"),
  onSpikes: func, penalize: func, onFinal: func, share: shareKind, statistics: statisticsKind, carry: instanceOf(Carry, "a Carry"), states: instanceOf(States, "States"), building: withMethods("what is done instead of computing", "call", "add"), planning: withMethods("what is told of layers", "attribute"),
};
const layerName = optional(text);
const axes = listOf(integer(0));
const typedArray = kind("a typed array", ArrayBuffer.isView);
const INPUT: OptionKinds<InputOptions> = { timeConstant: flag, requiresGradient: flag };

interface Entry {
  /** Whose operation it is. */
  layer: string | undefined;
  operation: Operation;
  inputs: readonly Variable[];
  outputs: readonly Variable[];
}

/**
 * The record of one forward pass. It owns every tensor made while it runs (inputs stay the caller's): `backward` frees them
 * as it goes, `dispose` frees the rest.
 */
export class Tape implements OperationTape {
  readonly device: Device;
  readonly steps: number;
  readonly lengths: Lengths | undefined;
  readonly training: boolean;
  readonly recorder: Recorder | undefined;
  readonly onSpikes: TapeOptions["onSpikes"];
  readonly penalize: TapeOptions["penalize"];
  readonly onFinal: TapeOptions["onFinal"];
  readonly share: BatchShare | undefined;
  readonly statistics: SharedStatistics | undefined;
  readonly carry: Carry | undefined;
  readonly states: States | undefined;
  readonly building: TapeOptions["building"];
  readonly planning: TapeOptions["planning"];
  readonly #random: Random | undefined;
  readonly #feeds: Feeds | undefined;
  readonly #operations: Entry[] = [];
  /** How many operations have yet to add to a parameter's gradient. */
  readonly #learning = new Map<Learnable, number>();
  #namesAll = true;
  #ran = false;
  #layer: string | undefined;

  /** @throws OptionError for what is no device, and for options out of range. */
  constructor(device: Device, options: TapeOptions) {
    checkArgument("Tape", "device", device, deviceKind);
    checkOptions("Tape", options, OPTIONS);
    const { steps, lengths, training, random, feeds, recorder, onSpikes, penalize, onFinal, share, statistics, carry, states = carry, building, planning } = options;
    if (share) checkShare(share);
    if (statistics) checkStatistics(statistics);
    this.device = device;
    const all = carry?.steps ?? steps;
    const beyond = lengths?.steps.findIndex((each) => each > all) ?? -1;
    if (beyond >= 0) throw new OptionError(`Tape: sample ${beyond} has ${lengths!.steps[beyond]} valid steps, the tape has T = ${all}`);
    this.steps = steps;
    this.lengths = lengths;
    this.training = training;
    this.recorder = recorder;
    this.onSpikes = onSpikes;
    this.penalize = penalize;
    this.onFinal = onFinal;
    this.share = share;
    this.statistics = statistics;
    this.carry = carry;
    this.states = states;
    this.building = building;
    this.planning = planning;
    this.#random = random;
    this.#feeds = feeds;
  }

  /**
   * For what is drawn to decide what a pass does; a pass that draws by itself is not recorded. For values that go to the device: `feed`.
   * @throws OptionError if the tape was made without one.
   */
  get random(): Random {
    this.#feeds?.drawn();
    return this.#source();
  }

  #source(): Random {
    if (!this.#random) throw new OptionError("dropout draws random numbers in training: give the tape a `random`");
    return this.#random;
  }

  /**
   * Values that the host draws anew for each pass, on the device: [shape]. `make` may be called again for each launch of a recorded pass. The tensor belongs to the caller.
   * @throws OptionError if the tape was made without a `random`; ShapeError for values of another number.
   */
  feed(make: (random: Random) => TypedArray, shape: readonly number[]): Tensor {
    checkArgument("tape.feed", "make", make, func);
    checkArgument("tape.feed", "shape", shape, axes);
    const checked = (random: Random): TypedArray => {
      const values = make(random);
      checkArgument("tape.feed", "what make returns", values, typedArray);
      return values;
    };
    return this.#feeds ? this.#feeds.take(shape, checked, () => this.#source()) : this.device.tensor(checked(this.#source()), shape);
  }

  /** Values that are the same in each such pass, on the device: [shape]. The tensor belongs to the caller. @throws ShapeError for values of another number. */
  constant(data: TypedArray, shape: readonly number[]): Tensor {
    checkArgument("tape.constant", "shape", shape, axes);
    return this.#feeds ? this.#feeds.take(shape, data) : this.device.tensor(data, shape);
  }

  /** What a later tape draws from to draw again what this one draws from here on. @internal */
  drawingAgain(): () => Pick<TapeOptions, "random" | "feeds" | "carry"> {
    const state = this.#random?.state;
    const feeds = this.#feeds?.again();
    const carry = this.carry?.again?.();
    return () => ({ random: state && new Random(state), feeds: feeds?.(), carry: carry?.() });
  }

  /** A tape of its own for a part of the pass; one for what ran before, which draws again, tells nobody of the spikes. @internal */
  fork(again?: Pick<TapeOptions, "random" | "feeds" | "carry">): Tape {
    const { device, steps, lengths, training, planning, recorder, onSpikes, penalize, share, statistics } = this;
    const fork = new Tape(device, { steps, lengths, training, planning, penalize, share, statistics, ...(again ?? { random: this.#random, feeds: this.#feeds, carry: this.carry, recorder, onSpikes }) });
    fork.#layer = this.#layer;
    return fork;
  }

  /** Whether an operation that is on the tape has the variable as an input. @internal */
  reads(x: Variable): boolean {
    return this.#operations.some(({ inputs }) => inputs.includes(x));
  }

  /** T of the whole pass, of which this tape may have some steps. */
  get totalSteps(): number {
    return this.carry ? this.carry.steps : this.steps;
  }

  /**
   * Puts a tensor on the tape: [T, B, ...], or with `timeConstant` [1, B, ...], which stands for all T steps.
   * The tensor stays the caller's and must outlive the tape.
   * @throws ShapeError for a tensor of other axes, DeviceError for one of another device.
   */
  input(value: Tensor, options: InputOptions = {}): Variable {
    checkArgument("tape.input", "value", value, tensorKind);
    checkOptions("tape.input", options, INPUT);
    if (value.device !== this.device) throw new DeviceError(`tape.input: the tensor [${value.shape}] lies on another device (${value.device.name}) than the tape's (${this.device.name})`);
    const { timeConstant = false, requiresGradient = false } = options;
    const [steps, batch, ...shape] = value.shape;
    if (this.lengths && this.lengths.steps.length !== batch) throw new ShapeError(`input: the tape has the lengths of ${this.lengths.steps.length} samples, the tensor [${value.shape}] has ${batch}`);
    const expected = timeConstant ? 1 : this.steps;
    if (value.shape.length < 3 || steps !== expected) {
      throw new ShapeError(`input: expected [${timeConstant ? 1 : `T = ${this.steps}`}, B, ...], got [${value.shape}]`);
    }
    const time = timeConstant && this.steps > 1 ? "constant" : "varying";
    return new Variable(this, { shape, time, batch, requiresGradient: this.training && requiresGradient, value });
  }

  /**
   * a + b; a spiking layer that follows adds them in its own kernel.
   * @throws ShapeError if the shapes differ.
   */
  add(a: Variable, b: Variable): Variable {
    return add(this, a, b);
  }

  /** Does work of a layer, in its name: a DeviceError of it, or of the backward pass of what it records, is told with the name. `what` is done: "backward of ". @internal */
  within<T>(layer: string | undefined, work: () => T, what = ""): T {
    checkArgument("tape.within", "layer", layer, layerName);
    checkArgument("tape.within", "work", work, func);
    const outer = this.#layer;
    this.#layer = layer;
    this.planning?.attribute(layer);
    try {
      return inPlace(`${what}${layer === undefined ? "the network" : `layer ${layer}`}`, work);
    } finally {
      this.#layer = outer;
      this.planning?.attribute(outer);
    }
  }

  /**
   * Puts an operation on the tape and returns its outputs.
   * @throws OptionError if it lacks something.
   */
  record(operation: Operation): Variable[] {
    checkOperation("tape.record", operation);
    const inputs = operation.inputs.map((x) => x.plain());
    const { learns = false } = operation;
    const named = typeof learns === "boolean" ? [] : learns;
    for (const parameter of named) this.#learning.set(parameter, (this.#learning.get(parameter) ?? 0) + 1);
    if (learns === true) this.#namesAll = false;
    const requiresGradient = this.training && (learns === true || named.length > 0 || inputs.some((x) => x.requiresGradient));
    const { batch } = inputs[0];
    const outputs = operation.outputs.map((output) => new Variable(this, { ...output, batch, requiresGradient }));
    this.#operations.push({ layer: this.#layer, operation, inputs, outputs });
    return outputs;
  }

  /**
   * Runs the tape backward from `output`, whose gradient is `seed` (same shape, or [1, B, ...] that holds at all T steps; it stays the caller's). Gradients of
   * parameters are added to `parameter.gradient`. Values on the tape are freed: it can run backward once.
   * @returns the gradients of `wanted`, inputs or values in between, owned by the caller, each in memory of its own; null where none arrives.
   * @throws OptionError for a wanted value that an operation took over computing: read its `value` before it is used.
   */
  backward(output: Variable, seed: Tensor, wanted: readonly Variable[] = []): (Tensor | null)[] {
    checkVariable("tape.backward", "output", output, this);
    checkArgument("tape.backward", "seed", seed, tensorKind);
    checkArgument("tape.backward", "wanted", wanted, listOf(variableKind));
    const { value } = output;
    if (!this.training) throw new OptionError("backward needs a tape made with training: true");
    const holds = output.time === "varying" && seed.size * this.steps === value.size;
    if (seed.size !== value.size && !holds) throw new ShapeError(`backward: the seed [${seed.shape}] must have the shape of the output, [${value.shape}]`);
    if (this.#ran) throw new OptionError("backward ran on this tape already, which freed its values: make a new tape for each pass");
    const targets = wanted.map(reachable);
    this.#ran = true;
    const gradients = new Gradients(this.device, this.steps);
    const found = new Map<Variable, Tensor | undefined>(targets.map((x) => [x, undefined]));
    try {
      if (output.requiresGradient) gradients.share(output.plain(), seed.reshape(holds ? [1, ...value.shape.slice(1)] : value.shape));
      for (let entry = this.#operations.at(-1); entry; entry = this.#operations.at(-1)) {
        for (const x of entry.outputs) if (found.has(x)) found.set(x, gradients.copyOf(x));
        this.within(entry.layer, () => this.#reverse(entry, gradients), "backward of ");
        free(entry);
        this.#operations.pop();
        this.#settle(entry.operation);
      }
      for (const [x, gradient] of found) found.set(x, gradient ?? gradients.takeOwned(x));
      return targets.map((x, i) => {
        const gradient = found.get(x);
        return gradient ? (targets.indexOf(x) === i ? gradient : copied(gradient)) : null;
      });
    } catch (error) {
      found.forEach((gradient) => gradient?.dispose());
      throw error;
    } finally {
      gradients.dispose();
    }
  }

  #reverse({ operation, inputs, outputs }: Entry, gradients: Gradients): void {
    const entries = outputs.map((x) => (operation.constantGradient ? gradients.take(x) : gradients.takeFull(x)));
    if (!operation.always && entries.every((entry) => entry === undefined)) return;
    const received = entries.map((entry) => entry?.tensor);
    let given: readonly (Tensor | undefined)[] = [];
    try {
      given = operation.backward(received, (input) => gradients.takeFull(inputs[input])?.tensor);
    } finally {
      for (const gradient of received) if (!given.includes(gradient)) gradient?.dispose();
    }
    gradients.giveAll(inputs, given, operation.passesGradient === true && entries.some((entry) => entry?.shared));
  }

  /** Tells of the parameters that an operation was the last to add to. */
  #settle({ learns = false }: Operation): void {
    if (typeof learns === "boolean" || !this.onFinal || !this.#namesAll) return;
    for (const parameter of learns) {
      const left = this.#learning.get(parameter)! - 1;
      this.#learning.set(parameter, left);
      if (left === 0) this.onFinal(parameter);
    }
  }

  /** Frees all that the tape owns. */
  dispose(): void {
    this.#operations.forEach(free);
    this.#operations.length = 0;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The variable at which the gradient of a wanted one arrives. */
function reachable(x: Variable, i: number): Variable {
  if (x instanceof Deferred && (x.bypassed || !x.computed)) {
    throw new OptionError(`backward: no gradient of wanted[${i}] is computed, as the operation that follows took the value over; read its \`value\` before other operations use it`);
  }
  return x.plain();
}

function free({ operation, outputs }: Entry): void {
  outputs.forEach((x) => x.release());
  operation.saved?.forEach((tensor) => tensor.dispose());
}
