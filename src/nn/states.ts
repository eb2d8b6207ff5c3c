import type { Device, Tensor } from "../device/device.ts";

export type StateTensors = Readonly<Record<string, Tensor>>;

/** What a call carries: its states by name, of one shape. */
export interface Carried {
  device: Device;
  names: readonly string[];
  shape: readonly number[];
}

/**
 * The states with which neurons begin where the pass before left them. Calls of spiking layers are told apart by their order, which is that of every pass.
 * The tensors stay those of the tapes that made them.
 */
export class States {
  #calls = 0;
  #states: (StateTensors | undefined)[] = [];

  /** Whether a pass follows that begins with the states of this one. */
  get goesOn(): boolean {
    return true;
  }

  /** Starts a pass, or goes to a call of it. */
  rewind(call = 0): void {
    this.#calls = call;
  }

  /** The number of the call to come. */
  protected get calls(): number {
    return this.#calls;
  }

  /** A number for a call that carries something. */
  nextCall(): number {
    return this.#calls++;
  }

  /** The states that a call begins with; undefined before the first pass. */
  states(call: number, _carried: Carried): StateTensors | undefined {
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
