import type { Tensor } from "../device/device.ts";

export type StateTensors = Readonly<Record<string, Tensor>>;

/**
 * The states with which neurons begin where the pass before left them. Calls of spiking layers are told apart by their order, which is that of every pass.
 * The tensors stay those of the tapes that made them.
 */
export class States {
  #calls = 0;
  #states: (StateTensors | undefined)[] = [];

  /** Starts a pass. */
  rewind(): void {
    this.#calls = 0;
  }

  /** A number for a call that carries something. */
  nextCall(): number {
    return this.#calls++;
  }

  /** The states that a call begins with; undefined before the first pass. */
  states(call: number): StateTensors | undefined {
    return this.#states[call];
  }

  setStates(call: number, states: StateTensors): void {
    this.#states[call] = states;
  }

  /** What `restore` takes to go back to where the states are now. */
  save(): readonly (StateTensors | undefined)[] {
    return [...this.#states];
  }

  restore(saved: readonly (StateTensors | undefined)[]): void {
    this.#states = [...saved];
  }
}
