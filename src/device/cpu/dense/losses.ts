import { ShapeError } from "../../../errors.ts";
import { requireAxes, requireShape } from "../../dense/shapes.ts";
import type { DenseMath, Tensor } from "../../device.ts";
import type { CpuContext } from "../context.ts";
import { SUM_BLOCK, emptyDoubles, sumDoubles } from "./elementwise.ts";

const GRAIN = 1 << 10;

export function lossMath(device: CpuContext): Pick<DenseMath, "softmaxCrossEntropy" | "meanSquaredError"> {
  return {
    softmaxCrossEntropy: (logits, labels) => device.timed("rest", () => softmaxCrossEntropy(device, logits, labels)),
    meanSquaredError: (x, target) => device.timed("rest", () => meanSquaredError(device, x, target)),
  };
}

function softmaxCrossEntropy(device: CpuContext, logits: Tensor, labels: Tensor): { loss: Tensor; gradient: Tensor; correct: Tensor } {
  requireAxes("softmaxCrossEntropy", "logits", logits, 2);
  const [rows, classes] = logits.shape;
  requireShape("softmaxCrossEntropy", "labels", labels, [rows]);
  const labelsAddress = device.ptr(labels, "softmaxCrossEntropy", "i32");
  for (const label of device.view(labels, "softmaxCrossEntropy")) {
    if (label < 0 || label >= classes) {
      throw new ShapeError(`softmaxCrossEntropy: a label is ${label}, but the logits [${logits.shape}] are of classes 0 to ${classes - 1}.`);
    }
  }
  using losses = emptyDoubles(device, rows);
  using hits = emptyDoubles(device, rows);
  const gradient = device.empty(logits.shape);
  device.pool.run(device.denseModule, "crossEntropyRows", rows, Math.ceil(GRAIN / classes), [
    device.ptr(logits, "softmaxCrossEntropy", "f32"), labelsAddress, device.ptr(gradient, "softmaxCrossEntropy"), classes, 1 / rows,
    device.ptr(losses, "softmaxCrossEntropy"), device.ptr(hits, "softmaxCrossEntropy"),
  ]);
  const loss = sumDoubles(device, losses, rows, 1 / rows, "softmaxCrossEntropy");
  return { loss, gradient, correct: sumDoubles(device, hits, rows, 1, "softmaxCrossEntropy") };
}

function meanSquaredError(device: CpuContext, x: Tensor, target: Tensor): { loss: Tensor; gradient: Tensor } {
  requireAxes("meanSquaredError", "x", x, 2);
  requireShape("meanSquaredError", "target", target, x.shape);
  const blocks = Math.ceil(x.size / SUM_BLOCK);
  using partials = emptyDoubles(device, blocks);
  const gradient = device.empty(x.shape);
  device.pool.run(device.denseModule, "squaredErrors", blocks, 1, [
    device.ptr(x, "meanSquaredError", "f32"), device.ptr(target, "meanSquaredError", "f32"), device.ptr(gradient, "meanSquaredError"),
    x.size, 2 / x.size, device.ptr(partials, "meanSquaredError"),
  ]);
  return { loss: sumDoubles(device, partials, blocks, 1 / x.size, "meanSquaredError"), gradient };
}
