// Where the time of a training step of ours goes: events around each operation, by its name.

/**
 * @typedef {import("../../dist/device/cuda/device.js").CudaDevice} CudaDevice
 * @typedef {import("../../dist/device/device.js").DenseMath} DenseMath
 * @typedef {import("../../dist/device/device.js").Precision} Precision
 */

/** The class of each operation that does not count as "rest". @type {Record<string, "dense" | "neuron" | "norm">} */
const classes = {
  linear: "dense", linearBackward: "dense", conv2d: "dense", conv2dBackward: "dense",
  channelMoments: "norm", channelSums: "norm", channelDots: "norm", channelAffine: "norm",
  neuron: "neuron",
};

/** @param {string} operation */
export const classOf = (operation) => classes[operation] ?? "rest";

/** What the operations of `device` take from here on, until `end`; work that is no operation counts by its kind. */
export class Spans {
  /** @type {{ operation: string, start: number, end: number }[]} */
  #pending = [];
  #operation = "";
  #restore = () => {};

  /** @param {CudaDevice} device */
  constructor(device) {
    this.device = device;
    const { context } = device;
    const [timed, denseFor] = [context.timed, device.denseFor];
    let inside = false;
    context.timed = (kind, work) => {
      if (inside) return work();
      const span = { operation: this.#operation || kind, start: this.#mark(), end: 0 };
      inside = true;
      try {
        return work();
      } finally {
        inside = false;
        span.end = this.#mark();
        this.#pending.push(span);
      }
    };
    device.denseFor = (precision) => this.#named(denseFor.call(device, precision));
    this.#restore = () => {
      context.timed = timed;
      device.denseFor = denseFor;
    };
  }

  /** Milliseconds of each operation since the beginning, all together; the device is as it was. */
  end() {
    this.#restore();
    const { driver } = this.device.context;
    this.device.context.activate("spans");
    const milliseconds = new Float32Array(1);
    /** @type {Record<string, number>} */
    const total = {};
    if (this.#pending.length > 0) driver.call("cuEventSynchronize", this.#pending[this.#pending.length - 1].end);
    for (const { operation, start, end } of this.#pending) {
      driver.call("cuEventElapsedTime", milliseconds, start, end);
      total[operation] = (total[operation] ?? 0) + milliseconds[0];
      for (const event of [start, end]) driver.raw.cuEventDestroy_v2(event);
    }
    this.#pending = [];
    return total;
  }

  #mark() {
    const { driver, stream } = this.device.context;
    const event = driver.get("cuEventCreate", 0);
    driver.call("cuEventRecord", event, stream);
    return event;
  }

  /** @param {DenseMath} dense @returns {DenseMath} */
  #named(dense) {
    const entries = Object.entries(dense).map(([name, operation]) => [name, (/** @type {unknown[]} */ ...given) => {
      const outer = this.#operation;
      this.#operation ||= name;
      try {
        return operation(...given);
      } finally {
        this.#operation = outer;
      }
    }]);
    return Object.fromEntries(entries);
  }
}
