import "../dispose.ts";
import { checkArgument, checkOptions, either, instanceOf, integer, kind, type OptionKinds, required } from "../check.ts";
import { OptionError, ShapeError } from "../errors.ts";
import { type Device, type Tensor, tensorKind } from "../device/device.ts";
import { elements } from "./axes.ts";
import { Recorder } from "./recorder.ts";
import { States } from "./states.ts";
import { Tape } from "./tape.ts";
import type { Shape, Variable } from "./variable.ts";

export interface StreamOptions {
  /** B: how many signals run side by side. Default 1. */
  batch?: number;
  /** Sees what the neurons of each call do. Default: nobody. */
  recorder?: Recorder;
}

/** What a stream needs of a model. */
interface Network {
  readonly device: Device;
  readonly inputShape: Shape;
  forward(tape: Tape, input: Variable): Variable;
}

const OPTIONS: OptionKinds<StreamOptions> = { batch: integer(1), recorder: instanceOf(Recorder, "a Recorder: new Recorder()") };
const inputKind = required(either(kind("a Float32Array", (x) => x instanceof Float32Array), tensorKind));

/**
 * A network that runs on a signal as it comes: the states of its neurons stay from one call to the next, so that any cutting of a signal into windows gives the spikes of one long run.
 * As after training: running statistics, no dropout. `model.stream` makes it.
 */
export class Stream implements Disposable {
  readonly batch: number;
  readonly #network: Network;
  readonly #recorder: Recorder | undefined;
  readonly #states = new States();
  /** The tape of the last call, which owns the states. */
  #tape: Tape | undefined;
  #steps = 0;
  /** The end of the calls so far: each starts where the one before ended. */
  #idle: Promise<unknown> = Promise.resolve();
  #disposed = false;

  /** @internal */
  constructor(network: Network, options: StreamOptions) {
    checkOptions("model.stream", options, OPTIONS);
    const { batch = 1, recorder } = options;
    this.#network = network;
    this.batch = batch;
    this.#recorder = recorder;
  }

  /** Time steps since the beginning, or the last `reset`. */
  get steps(): number {
    return this.#steps;
  }

  /**
   * Runs one time step, or a window of W of them.
   * @param input [B, ...] or [W, B, ...]: a Float32Array whose length says which, or a tensor, which stays the caller's
   * @returns what the read-out says of this window, [B, ...], or [W, B, ...] where it keeps time; `rate()` is the rate within the window, `lastMembrane()` the membrane at its end.
   * @throws ShapeError for an input that is no whole number of steps; OptionError once the stream is disposed. A call that fails changes no state.
   */
  step(input: Float32Array | Tensor): Promise<Float32Array> {
    checkArgument("stream.step", "input", input, inputKind);
    const result = this.#idle.then(() => this.#run(input));
    this.#idle = result.catch(() => undefined);
    return result;
  }

  /** All neurons begin anew with the next call. */
  reset(): void {
    this.#idle = this.#idle.then(() => this.#forget());
  }

  /** Frees the states. */
  dispose(): void {
    this.#disposed = true;
    this.#idle = this.#idle.then(() => this.#forget());
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async #run(input: Float32Array | Tensor): Promise<Float32Array> {
    if (this.#disposed) throw new OptionError("stream.step: the stream is disposed; model.stream makes a new one");
    const { batch } = this;
    const { device, inputShape } = this.#network;
    const steps = stepsOf(input, batch, inputShape);
    const given = input instanceof Float32Array ? device.tensor(input, [steps, batch, ...inputShape]) : input.reshape([steps, batch, ...inputShape]);
    const before = this.#states.save();
    const tape = new Tape(device, { steps, training: false, recorder: this.#recorder, states: this.#states });
    try {
      this.#states.rewind();
      const output = await device.read(this.#network.forward(tape, tape.input(given)).value) as Float32Array;
      this.#tape?.dispose();
      this.#tape = tape;
      this.#steps += steps;
      return output;
    } catch (error) {
      this.#states.restore(before);
      tape.dispose();
      throw error;
    } finally {
      given.dispose();
    }
  }

  #forget(): void {
    this.#states.restore([]);
    this.#tape?.dispose();
    this.#tape = undefined;
    this.#steps = 0;
  }
}

function stepsOf(input: Float32Array | Tensor, batch: number, shape: Shape): number {
  const expected = [batch, ...shape];
  const size = elements(expected);
  const axes = input instanceof Float32Array ? undefined : input.shape;
  const fits = axes ? [expected, [axes[0], ...expected]].some((each) => each.join() === axes.join()) : input instanceof Float32Array && input.length > 0 && input.length % size === 0;
  if (fits) return axes ? elements(axes) / size : (input as Float32Array).length / size;
  const given = axes ? `a tensor [${axes.join(", ")}]` : `${(input as Float32Array).length} values`;
  throw new ShapeError(`stream.step was given ${given}: expected [${expected.join(", ")}] for one time step, or [W, ${expected.join(", ")}] for a window of W: ${size} values a step`);
}
