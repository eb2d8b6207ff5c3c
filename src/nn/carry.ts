import type { Tensor } from "../device/device.ts";

type States = Readonly<Record<string, Tensor>>;

/**
 * What one time step hands to the next when a network is run step by step: the states after each call of a spiking layer and the
 * masks of dropout; on the way back, the gradients of those states. Calls are told apart by their order, which is that of every step.
 */
export class Carry {
  /** T. */
  readonly steps: number;
  #step = 0;
  #calls = 0;
  readonly #states: States[] = [];
  readonly #gradients: (States | undefined)[] = [];
  readonly #masks: Tensor[] = [];

  constructor(steps: number) {
    this.steps = steps;
  }

  get isLast(): boolean {
    return this.#step === this.steps - 1;
  }

  /** Starts a time step. */
  begin(step: number): void {
    this.#step = step;
    this.#calls = 0;
  }

  /** A number for a call that carries something. */
  nextCall(): number {
    return this.#calls++;
  }

  /** The states that a call begins with; undefined before the first step. */
  states(call: number): States | undefined {
    return this.#states[call];
  }

  setStates(call: number, states: States): void {
    this.#states[call] = states;
  }

  /** The gradients of the states that a call ended with; they become the caller's. */
  takeGradients(call: number): States {
    const gradients = this.#gradients[call] ?? {};
    this.#gradients[call] = undefined;
    return gradients;
  }

  setGradients(call: number, gradients: States): void {
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
