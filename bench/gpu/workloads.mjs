// What is trained in parts c and d: networks, shapes, optimisers.
import * as nn from "../../dist/nn/index.js";
import { lif, surrogate } from "../../dist/neuron/index.js";
import { adam, sgd } from "../../dist/train/index.js";

/**
 * @typedef {"float32" | "tf32" | "bfloat16"} Precision
 * @typedef {{ model: string, steps: number, batch: number, shape: [height: number, width: number, channels: number], classes: number, optimizer: "sgd" | "adam" }} Workload
 */

/** Both sides update by so little that the losses of the first steps stay comparable. */
export const LR = 1e-3;

/** The workload of SpikingJelly's pull request 740. @type {Workload} */
export const sew = { model: "sewResnet18", steps: 4, batch: 112, shape: [224, 224, 3], classes: 1000, optimizer: "sgd" };

/** The experiments of temporal fusion's paper: T = 32, batch 100, Adam. @param {18 | 34 | 50} depth @param {28 | 32} size @param {number} [steps] @returns {Workload} */
export const paper = (depth, size, steps = 32) => ({ model: `spikingResnet${depth}`, steps, batch: 100, shape: [size, size, size === 28 ? 1 : 3], classes: 10, optimizer: "adam" });

/** Shows whether a contestant runs at all. @type {Workload} */
export const smoke = { model: "smoke", steps: 4, batch: 8, shape: [12, 12, 3], classes: 10, optimizer: "adam" };

/** @param {Workload} workload */
export const nameOf = ({ model, steps, batch, shape: [height, , channels] }) => `${model} ${height}²×${channels} T=${steps} B=${batch}`;

/** @param {Workload} workload @returns {nn.Layer} */
export function layerOf({ model, classes, shape }) {
  if (model === "smoke") return smokeNet(shape[2], classes);
  const make = /** @type {Record<string, unknown>} */ (nn)[model];
  if (typeof make !== "function") throw new Error(`there is no model ${model} in this build`);
  return make({ classes, inputChannels: shape[2] });
}

/** @param {number} channels @param {number} classes */
function smokeNet(channels, classes) {
  const fire = () => nn.spiking(lif({ tau: 1.25, decayInput: false, threshold: 0.3, surrogate: surrogate.atan() }));
  const norm = (/** @type {number} */ from, /** @type {number} */ stride) => [nn.conv2d(from, 16, { kernel: 3, stride, padding: 1, bias: false }), nn.batchNorm2d(16)];
  return nn.sequential(...norm(channels, 1), fire(), nn.residual(...norm(16, 1)), fire(), ...norm(16, 2), fire(), nn.globalAvgPool2d(), nn.linear(16, classes), nn.rate());
}

/** γ and β of the normalisations, about which they lie: what the neuron's threshold asks for. @param {Workload} workload */
export const normOf = ({ model }) => (model.startsWith("sew") ? { gamma: 0.9, beta: 0 } : { gamma: 0.45, beta: -0.3 });

/** @param {Workload} workload */
export const optimizerOf = ({ optimizer }) => (optimizer === "sgd" ? sgd({ lr: LR, momentum: 0.9 }) : adam({ lr: LR }));
