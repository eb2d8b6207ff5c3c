// The convolutions that cuDNN is asked for in a training step of ours.
import { convolutionGeometry } from "../../dist/device/dense/windows.js";
import { problemKey } from "../../dist/device/cuda/convolutionProblem.js";
import { convolutionOf, seesPixels } from "../../dist/device/cuda/dense/convolution.js";
import { factorsOf } from "../../dist/device/cuda/dense/products.js";
import { Random } from "../../dist/data/random.js";
import * as nn from "../../dist/nn/index.js";
import { WorkCounter } from "./counting.mjs";
import { layerOf } from "./workloads.mjs";

/**
 * @typedef {import("../../dist/device/cuda/convolutionProblem.js").ConvolutionProblem} ConvolutionProblem
 * @typedef {import("../../dist/device/device.js").Tensor} Tensor
 * @typedef {{ problem: ConvolutionProblem, count: number }} Convolution count: a step has so many
 */

/** @param {import("./workloads.mjs").Workload} workload @param {import("./workloads.mjs").Precision} precision @returns {Convolution[]} */
export function convolutionsOf(workload, precision) {
  const device = new WorkCounter();
  /** @type {Map<string, Convolution>} */
  const found = new Map();
  /** @param {Tensor} x @param {Tensor} w @param {Parameters<typeof convolutionGeometry>[3]} window @param {ConvolutionProblem["kind"][]} kinds */
  const add = (x, w, window, kinds) => {
    const geometry = convolutionGeometry("conv2d", x, w, window);
    if (seesPixels(geometry)) return;
    const { channels: _channels, depth: _depth, ...convolution } = convolutionOf(geometry, w.shape[3], factorsOf(precision));
    for (const kind of kinds) {
      const problem = { kind, ...convolution };
      const key = problemKey(problem);
      const known = found.get(key);
      if (known) known.count++;
      else found.set(key, { problem, count: 1 });
    }
  };
  const { dense } = device;
  device.dense = {
    ...dense,
    conv2d(x, w, bias, window) {
      add(x, w, window, ["forward"]);
      return dense.conv2d(x, w, bias, window);
    },
    conv2dBackward(x, w, dy, window, need) {
      add(x, w, window, need.input ? ["filter", "data"] : ["filter"]);
      return dense.conv2dBackward(x, w, dy, window, need);
    },
  };
  const { steps, batch, shape } = workload;
  const model = nn.Model.build(layerOf(workload), { device, inputShape: shape, steps, random: new Random(1), precision });
  const tape = new nn.Tape(device, { steps, training: true });
  const output = model.forward(tape, tape.input(device.empty([steps, batch, ...shape])));
  tape.backward(output, device.empty(output.value.shape));
  tape.dispose();
  return [...found.values()];
}
