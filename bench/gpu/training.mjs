// One network of ours in training on any device, with inputs and labels that stay there.
import { Random } from "../../dist/data/random.js";
import { Feeds } from "../../dist/nn/feeds.js";
import * as nn from "../../dist/nn/index.js";
import { OptimizerRun } from "../../dist/train/index.js";
import { images, labels, weights } from "./values.mjs";
import { layerOf, normOf, optimizerOf } from "./workloads.mjs";

/**
 * @typedef {import("../../dist/device/device.js").Device} Device
 * @typedef {import("../../dist/device/device.js").Tensor} Tensor
 * @typedef {import("./workloads.mjs").Workload} Workload
 * @typedef {import("./workloads.mjs").Precision} Precision
 */

export class Training {
  /** @type {{ dispose(): void }[]} */
  #owned = [];

  /** @param {Device} device @param {Workload} workload @param {Precision} precision @param {number} seed */
  constructor(device, workload, precision, seed) {
    const { steps, batch, shape, classes } = workload;
    this.device = device;
    try {
      this.model = this.#own(nn.Model.build(layerOf(workload), { device, inputShape: shape, steps, random: new Random(seed), precision }));
      this.parameters = this.model.parameters();
      this.#setWeights(workload, seed);
      this.optimizer = this.#own(new OptimizerRun(optimizerOf(workload), this.parameters, device));
      this.input = this.#own(device.tensor(images(seed, steps, batch, shape), [steps, batch, ...shape]));
      this.labels = this.#own(device.tensor(labels(batch, classes), [batch]));
      this.loss = this.#own(device.zeros([1]));
      this.feeds = this.#own(new Feeds(device));
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  get parameterCount() {
    return this.parameters.reduce((sum, { value }) => sum + value.size, 0);
  }

  /** The host's part of a step, the update's numbers; without it what remains can be recorded. */
  prepare() {
    this.optimizer.prepare();
    this.optimizer.count++;
  }

  /** The device's part: forward, loss, backward and update, all queued. @param {(layer: string, spikes: Tensor) => void} [onSpikes] */
  step(onSpikes) {
    const { device, model, parameters, feeds } = this;
    const tape = new nn.Tape(device, { steps: model.steps, training: true, onSpikes, feeds });
    /** @type {Tensor[]} */
    const made = [];
    try {
      const output = model.forward(tape, tape.input(this.input));
      const { loss, gradient, correct } = device.dense.softmaxCrossEntropy(output.value, this.labels);
      made.push(loss, gradient, correct);
      tape.backward(output, gradient);
      device.copy(loss, this.loss);
      this.optimizer.update();
      feeds.end();
    } finally {
      tape.dispose();
      for (const tensor of made) tensor.dispose();
      nn.clearGradients(parameters);
    }
  }

  /** One step that is waited for: its loss, and spikes per neuron and time step in all layers together. */
  async observe() {
    /** @type {Tensor[]} */
    const sums = [];
    let places = 0;
    this.prepare();
    this.step((_, spikes) => {
      sums.push(this.device.dense.sumOfSquares(spikes));
      places += spikes.size;
    });
    let spikes = 0;
    for (const sum of sums) {
      spikes += (await this.device.read(sum))[0];
      sum.dispose();
    }
    return { loss: await this.readLoss(), firingRate: spikes / places };
  }

  async readLoss() {
    return (await this.device.read(this.loss))[0];
  }

  dispose() {
    for (const each of this.#owned.splice(0).reverse()) each.dispose();
  }

  /** @param {Workload} workload @param {number} seed */
  #setWeights(workload, seed) {
    const norms = new Set(this.model.summary().filter(({ kind }) => kind === "batchNorm2d").map(({ name }) => name.split(":")[0]));
    for (const [i, { name, value }] of this.parameters.entries()) {
      const [layer, part] = [name.slice(0, name.lastIndexOf(".")), name.slice(name.lastIndexOf(".") + 1)];
      const role = !norms.has(layer) ? (value.shape.length > 1 ? "weight" : "bias") : part === "weight" ? "gamma" : "beta";
      this.device.write(value, weights(seed, i, { shape: value.shape, role }, normOf(workload)));
    }
  }

  /** @template {{ dispose(): void }} Kind @param {Kind} each */
  #own(each) {
    this.#owned.push(each);
    return each;
  }
}
