import { ShapeError } from "../../../errors.ts";
import { crossEntropyShape, squaredErrorShape } from "../../dense/shapes.ts";
import type { DenseMath, Tensor } from "../../device.ts";
import type { CpuContext } from "../context.ts";
import { SUM_BLOCK, emptyDoubles, sumDoubles } from "./elementwise.ts";

const GRAIN = 1 << 10;

export function lossMath(device: CpuContext): Pick<DenseMath, "softmaxCrossEntropy" | "meanSquaredError"> {
  return {
    softmaxCrossEntropy: (logits, labels, weights) => device.timed("rest", () => softmaxCrossEntropy(device, logits, labels, weights)),
    meanSquaredError: (x, target, weights) => device.timed("rest", () => (weights === undefined ? meanSquaredError(device, x, target) : weightedSquaredError(device, x, target, weights))),
  };
}

function softmaxCrossEntropy(device: CpuContext, logits: Tensor, labels: Tensor, weights: Tensor | undefined): { loss: Tensor; gradient: Tensor; correct: Tensor } {
  const { rows, classes } = crossEntropyShape(logits, labels, weights);
  const labelsAddress = device.ptr(labels, "softmaxCrossEntropy", "i32");
  const weightsAddress = weights ? device.ptr(weights, "softmaxCrossEntropy", "f32") : 0;
  const weighs = weights && device.view(weights, "softmaxCrossEntropy");
  device.view(labels, "softmaxCrossEntropy").forEach((label, row) => {
    if ((label < 0 || label >= classes) && weighs?.[row] !== 0) {
      throw new ShapeError(`softmaxCrossEntropy: a label is ${label}, but the logits [${logits.shape}] are of classes 0 to ${classes - 1}.`);
    }
  });
  using losses = emptyDoubles(device, rows);
  using hits = emptyDoubles(device, rows);
  const gradient = device.empty(logits.shape);
  const mean = weights ? 1 : 1 / rows;
  device.pool.run(device.denseModule, "crossEntropyRows", rows, Math.ceil(GRAIN / classes), [
    device.ptr(logits, "softmaxCrossEntropy", "f32"), labelsAddress, weightsAddress, device.ptr(gradient, "softmaxCrossEntropy"), classes, mean,
    device.ptr(losses, "softmaxCrossEntropy"), device.ptr(hits, "softmaxCrossEntropy"),
  ]);
  const loss = sumDoubles(device, losses, rows, mean, "softmaxCrossEntropy");
  return { loss, gradient, correct: sumDoubles(device, hits, rows, 1, "softmaxCrossEntropy") };
}

function meanSquaredError(device: CpuContext, x: Tensor, target: Tensor): { loss: Tensor; gradient: Tensor } {
  squaredErrorShape(x, target);
  const blocks = Math.ceil(x.size / SUM_BLOCK);
  using partials = emptyDoubles(device, blocks);
  const gradient = device.empty(x.shape);
  device.pool.run(device.denseModule, "squaredErrors", blocks, 1, [
    device.ptr(x, "meanSquaredError", "f32"), device.ptr(target, "meanSquaredError", "f32"), device.ptr(gradient, "meanSquaredError"),
    x.size, 2 / x.size, device.ptr(partials, "meanSquaredError"),
  ]);
  return { loss: sumDoubles(device, partials, blocks, 1 / x.size, "meanSquaredError"), gradient };
}

function weightedSquaredError(device: CpuContext, x: Tensor, target: Tensor, weights: Tensor): { loss: Tensor; gradient: Tensor } {
  const { rows, columns } = squaredErrorShape(x, target, weights);
  using errors = emptyDoubles(device, rows);
  const gradient = device.empty(x.shape);
  device.pool.run(device.denseModule, "weightedSquaredErrors", rows, Math.ceil(GRAIN / columns), [
    device.ptr(x, "meanSquaredError", "f32"), device.ptr(target, "meanSquaredError", "f32"), device.ptr(weights, "meanSquaredError", "f32"), device.ptr(gradient, "meanSquaredError"),
    columns, 2 / columns, device.ptr(errors, "meanSquaredError"),
  ]);
  return { loss: sumDoubles(device, errors, rows, 1 / columns, "meanSquaredError"), gradient };
}
