import "../dispose.ts";
import type { Tensor } from "../device/device.ts";
import { type Carried, States, type StateTensors } from "./states.ts";

/**
 * What a pass over some of the time steps hands to the one over those that follow: the states after each call of a spiking layer, on the way back the gradients of
 * those states; and the masks of dropout, which hold at all steps.
 */
export abstract class Carry extends States implements Disposable {
  /** T. */
  readonly steps: number;
  readonly #masks = new Map<number, Tensor>();

  constructor(steps: number) {
    super();
    this.steps = steps;
  }

  /** Number of the first of the steps that run. */
  abstract readonly from: number;
  /** Whether they are the last ones. */
  abstract readonly isLast: boolean;
  /** Whether what comes out may have time: else the outputs of all passes are summed. */
  abstract readonly keepsTime: boolean;

  /** For a part of the pass that runs again in the backward pass: the calls from here on, once more. Without it nothing can. */
  again?(): () => Carry;

  /** The gradients of the states that a call ended with; they become the caller's. */
  abstract takeGradients(call: number, carried: Carried): StateTensors;
  /** Takes over those of the states that a call began with; undefined: they are 0. */
  abstract setGradients(call: number, gradients: StateTensors | undefined): void;

  /** The mask of a call of dropout: `make` is called the first time. */
  mask(call: number, make: () => Tensor): Tensor {
    const known = this.#masks.get(call) ?? make();
    this.#masks.set(call, known);
    return known;
  }

  dispose(): void {
    this.#masks.forEach((mask) => mask.dispose());
    this.#masks.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Between the steps of a network that is run one time step at a time. */
export class StepCarry extends Carry {
  readonly keepsTime = false;
  #step = 0;
  readonly #gradients: (StateTensors | undefined)[] = [];

  get from(): number {
    return this.#step;
  }

  get isLast(): boolean {
    return this.#step === this.steps - 1;
  }

  /** Starts a time step. */
  begin(step: number): void {
    this.#step = step;
    this.rewind();
  }

  override takeGradients(call: number): StateTensors {
    const gradients = this.#gradients[call] ?? {};
    this.#gradients[call] = undefined;
    return gradients;
  }

  override setGradients(call: number, gradients: StateTensors | undefined): void {
    this.#gradients[call] = gradients;
  }

  override dispose(): void {
    super.dispose();
    this.#gradients.forEach((gradients) => Object.values(gradients ?? {}).forEach((tensor) => tensor.dispose()));
  }
}
