import "../dispose.ts";
import { checkArgument, integer, kind, oneOf } from "../check.ts";
import { type Device, deviceKind, type Tensor } from "../device/device.ts";
import { OptionError, ShapeError } from "../errors.ts";

/** What follows from a sample's number of valid steps, as read-outs need it. */
const figures = {
  length: (steps: number, { from }: Steps): number => steps - from,
  share: (steps: number): number => 1 / steps,
  // Of a sample that goes on after them, none is its last.
  lengthIfLast: (steps: number, { from, count }: Steps): number => (steps - from > count ? 0 : steps - from),
};

/** The time steps of a pass. */
interface Steps {
  from: number;
  /** How many. */
  count: number;
}

export type Figure = keyof typeof figures;

const ALL: Steps = { from: 0, count: Infinity };

const arrayKind = kind("an Int32Array, the number of valid steps of each sample", (x) => x instanceof Int32Array && x.length > 0);

/** How many of the T steps of each sample are its own; the rest are padding. Kept on the device beside the passes, which may be recorded: `set` gives the samples that follow theirs. */
export class Lengths {
  readonly #device: Device;
  #steps: Int32Array;
  readonly #tensors = new Map<string, { tensor: Tensor; values: () => Float32Array }>();

  /** @param steps [B], each ≥ 1. @throws OptionError for what is no such array */
  constructor(device: Device, steps: Int32Array) {
    checkArgument("Lengths", "device", device, deviceKind);
    this.#device = device;
    this.#steps = checked(steps).slice();
  }

  /** [B]. */
  get steps(): Int32Array {
    return this.#steps;
  }

  /** Those of other samples, as many. @throws OptionError for what is no such array, ShapeError for another number of samples */
  set(steps: Int32Array): void {
    if (checked(steps).length !== this.#steps.length) throw new ShapeError(`Lengths.set: got ${steps.length} lengths, expected ${this.#steps.length}`);
    this.#steps = steps.slice();
    for (const { tensor, values } of this.#tensors.values()) this.#device.write(tensor, values());
  }

  /**
   * For each value of [B, size]: its sample's number of valid steps from step `from` on (below 0: it ended before); one divided by all of them; or the number again, but 0 unless the sample ends
   * within `count` steps. The tensor stays these lengths' own.
   */
  ofValues(figure: Figure, size: number, during: { from: number; count: number } = ALL): Tensor {
    const { from, count } = during;
    checkArgument("lengths.ofValues", "figure", figure, oneOf(...(Object.keys(figures) as Figure[])));
    checkArgument("lengths.ofValues", "size", size, integer(1));
    const key = `${figure} ${size} ${from} ${count}`;
    const values = (): Float32Array => Float32Array.from({ length: this.#steps.length * size }, (_, i) => figures[figure](this.#steps[Math.floor(i / size)], { from, count }));
    let known = this.#tensors.get(key);
    if (!known) this.#tensors.set(key, (known = { tensor: this.#device.tensor(values(), [this.#steps.length, size]), values }));
    return known.tensor;
  }

  /** All valid steps. */
  get total(): number {
    return this.#steps.reduce((sum, steps) => sum + steps, 0);
  }

  dispose(): void {
    for (const { tensor } of this.#tensors.values()) tensor.dispose();
    this.#tensors.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function checked(steps: Int32Array): Int32Array {
  checkArgument("Lengths", "steps", steps, arrayKind);
  const wrong = steps.findIndex((each) => each < 1);
  if (wrong >= 0) throw new OptionError(`Lengths: sample ${wrong} has ${steps[wrong]} steps: expected at least 1`);
  return steps;
}
