import type { Tensor } from "../device/device.ts";
import { States, type StateTensors } from "./states.ts";

/**
 * What one time step hands to the next when a network is run step by step: the states after each call of a spiking layer and the
 * masks of dropout; on the way back, the gradients of those states.
 */
export class Carry extends States {
  /** T. */
  readonly steps: number;
  #step = 0;
  readonly #gradients: (StateTensors | undefined)[] = [];
  readonly #masks: Tensor[] = [];

  constructor(steps: number) {
    super();
    this.steps = steps;
  }

  /** Number of the time step that runs. */
  get step(): number {
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

  /** The gradients of the states that a call ended with; they become the caller's. */
  takeGradients(call: number): StateTensors {
    const gradients = this.#gradients[call] ?? {};
    this.#gradients[call] = undefined;
    return gradients;
  }

  setGradients(call: number, gradients: StateTensors): void {
    this.#gradients[call] = gradients;
  }

  /** The mask of a call of dropout: `make` is called in the first step. */
  mask(call: number, make: () => Tensor): Tensor {
    return (this.#masks[call] ??= make());
  }

  dispose(): void {
    this.#masks.forEach((mask) => mask.dispose());
    this.#gradients.forEach((gradients) => Object.values(gradients ?? {}).forEach((tensor) => tensor.dispose()));
  }
}
