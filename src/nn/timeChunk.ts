import "../dispose.ts";
import type { Tensor } from "../device/device.ts";
import type { ProcessGroup } from "../parallel/group.ts";
import { Carry } from "./carry.ts";
import type { Carried, StateTensors } from "./states.ts";

/** A run of time steps. */
export interface Steps {
  from: number;
  /** How many. */
  count: number;
}

/** The steps of a rank, where T steps are cut into as many chunks as there are ranks: of equal length, the first ones by a step longer where T is no multiple. */
export function chunkOf(steps: number, { rank, size }: Pick<ProcessGroup, "rank" | "size">): Steps {
  const [least, longer] = [Math.floor(steps / size), steps % size];
  return { from: rank * least + Math.min(rank, longer), count: least + (rank < longer ? 1 : 0) };
}

/**
 * A pass over a rank's chunk of time. A call receives the states that it begins with from the rank before, right before it runs, and sends those that it ends with to the rank after as soon as it has
 * run; backward the gradients of these come back, and those of the first are sent on. So ranks work at once, on different layers or different samples, as soon as the first states have come through.
 * All ranks make the same calls in the same order.
 */
export class TimeChunk extends Carry {
  readonly keepsTime = true;
  readonly from: number;
  /** How many steps the chunk has. */
  readonly count: number;
  readonly #group: ProcessGroup;
  /** By call: the states that it began with. */
  readonly #begun: Map<number, StateTensors>;
  /** The pass, where this is a part of it that runs again. */
  readonly #whole: TimeChunk | undefined;

  /** @param steps T of all chunks. @param whole the pass, where a part of it runs again */
  constructor(group: ProcessGroup, steps: number, whole?: TimeChunk) {
    super(steps);
    const { from, count } = chunkOf(steps, group);
    this.from = from;
    this.count = count;
    this.#group = group;
    this.#whole = whole;
    this.#begun = whole ? whole.#begun : new Map();
  }

  get own(): Steps {
    const { from, count } = this;
    return { from, count };
  }

  get isFirst(): boolean {
    return this.#group.rank === 0;
  }

  get isLast(): boolean {
    return this.#group.rank === this.#group.size - 1;
  }

  override get goesOn(): boolean {
    return !this.isLast;
  }

  override again(): () => TimeChunk {
    const { calls } = this;
    return () => {
      const part = new TimeChunk(this.#group, this.steps, this.#whole ?? this);
      part.rewind(calls);
      return part;
    };
  }

  override mask(call: number, make: () => Tensor): Tensor {
    return this.#whole ? this.#whole.mask(call, make) : super.mask(call, make);
  }

  override states(call: number, carried: Carried): StateTensors | undefined {
    if (this.isFirst) return undefined;
    const states = this.#begun.get(call) ?? this.#receive(this.#group.rank - 1, carried);
    this.#begun.set(call, states);
    return states;
  }

  /** Those of a part that runs again were sent already. */
  override setStates(_call: number, states: StateTensors): void {
    if (this.goesOn && !this.#whole) this.#send(states, this.#group.rank + 1);
  }

  override takeGradients(_call: number, carried: Carried): StateTensors {
    return this.goesOn ? this.#receive(this.#group.rank + 1, carried) : {};
  }

  /** The rank before waits for them, zeros or not. */
  override setGradients(call: number, gradients: StateTensors | undefined): void {
    const begun = Object.entries(this.#begun.get(call)!);
    const sent = gradients ?? Object.fromEntries(begun.map(([name, { device, shape }]) => [name, device.zeros(shape)]));
    this.#send(sent, this.#group.rank - 1);
    for (const tensor of Object.values(sent)) tensor.dispose();
  }

  override dispose(): void {
    super.dispose();
    for (const states of this.#begun.values()) for (const tensor of Object.values(states)) tensor.dispose();
    this.#begun.clear();
  }

  /** As one tensor. */
  #send(states: StateTensors, to: number): void {
    const tensors = Object.values(states);
    if (tensors.length === 1) return this.#group.send(tensors[0], to);
    const [{ device, shape, size }] = tensors;
    using all = device.empty([tensors.length, ...shape]);
    tensors.forEach((tensor, i) => device.copy(tensor, all, i * size));
    this.#group.send(all, to);
  }

  #receive(from: number, { device, names, shape }: Carried): StateTensors {
    const tensors = names.map(() => device.empty(shape));
    if (tensors.length === 1) this.#group.receive(tensors[0], from);
    else {
      using all = device.empty([names.length, ...shape]);
      this.#group.receive(all, from);
      tensors.forEach((tensor, i) => device.copy(all, tensor, i * tensor.size));
    }
    return Object.fromEntries(names.map((name, i) => [name, tensors[i]]));
  }
}
