import "../dispose.ts";
import { checkArgument } from "../check.ts";
import type { Random } from "../data/random.ts";
import { type Device, deviceKind, type Tensor, type TypedArray } from "../device/device.ts";
import { DeviceError } from "../errors.ts";

type Make = (random: Random) => TypedArray;

interface Feed {
  tensor: Tensor;
  /** Undefined: the values stay as they are. */
  make: Make | undefined;
}

/**
 * What the host gives the passes of one shape besides their input, in the order in which a pass asks for it. It stays where it is on the device, so that a pass can be recorded:
 * the first pass makes it, `refill` gives the passes after it theirs.
 */
export class Feeds {
  readonly #device: Device;
  #feeds: Feed[] = [];
  /** Of the pass under way: how many it asked for. */
  #taken = 0;
  #first = true;
  #drawn = false;
  /** Those of which these are a part. */
  #whole: Feeds | undefined;

  constructor(device: Device) {
    checkArgument("Feeds", "device", device, deviceKind);
    this.#device = device;
  }

  /** Whether passes draw numbers themselves, which the host would not draw again for a pass that is recorded. */
  get drawsItself(): boolean {
    return this.#drawn;
  }

  /** A pass draws a number itself. */
  drawn(): void {
    if (this.#whole) this.#whole.drawn();
    else this.#drawn = true;
  }

  /** For a part of the pass that runs again: the feeds that it asks for from here on, once more. */
  again(): () => Feeds {
    const from = this.#taken;
    return () => {
      const part = new Feeds(this.#device);
      part.#feeds = this.#feeds;
      part.#taken = from;
      part.#first = false;
      part.#whole = this;
      return part;
    };
  }

  /** The next feed of the pass under way: a view, which is the caller's. */
  take(shape: readonly number[], values: TypedArray | Make, random?: () => Random): Tensor {
    if (this.#first) {
      const make = typeof values === "function" ? values : undefined;
      this.#feeds.push({ tensor: this.#device.tensor(make ? make(random!()) : (values as TypedArray), shape), make });
    }
    const feed = this.#feeds.at(this.#taken++);
    if (feed?.tensor.shape.join() !== shape.join()) throw differs();
    return feed.tensor.reshape(shape);
  }

  /** A pass is over. @throws DeviceError if it asked for fewer than the one before. */
  end(): void {
    if (this.#taken !== this.#feeds.length) throw differs();
    this.#taken = 0;
    this.#first = false;
  }

  /** Makes the values of the next pass. */
  refill(random: Random): void {
    this.#taken = 0;
    for (const { tensor, make } of this.#feeds) if (make) this.#device.write(tensor, make(random));
  }

  dispose(): void {
    for (const { tensor } of this.#feeds.splice(0)) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

const differs = (): DeviceError => new DeviceError("a pass asks for other values of the host than the one before it");
