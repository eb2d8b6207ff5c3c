import type { Tensor } from "../../device/device.ts";

/** `[1]`: rows of [B, K] whose largest value is at their label. */
export function countCorrect(outputs: Tensor, labels: Tensor): Tensor {
  const { loss, gradient, correct } = outputs.device.dense.softmaxCrossEntropy(outputs, labels);
  for (const unused of [loss, gradient]) unused.dispose();
  return correct;
}
