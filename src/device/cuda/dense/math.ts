import type { DenseMath, Precision } from "../../device.ts";
import { channelKernels, channelMath } from "./channels.ts";
import { convolutionMath } from "./convolution.ts";
import { elementwiseKernels, elementwiseMath } from "./elementwise.ts";
import { groupedKernels } from "./groupedConvolution.ts";
import type { Kernel } from "./kernel.ts";
import { layoutKernels } from "./layout.ts";
import { linearMath } from "./linear.ts";
import { lossKernels, lossMath } from "./losses.ts";
import { normKernels, normMath } from "./norms.ts";
import { poolingKernels, poolingMath } from "./pooling.ts";
import { factorsOf } from "./products.ts";
import { rowKernels } from "./rows.ts";
import { spikeKernels, spikeMath } from "./spikes.ts";
import { squareKernels, squareMath } from "./squares.ts";
import { stepKernels, stepMath } from "./steps.ts";
import type { DenseLauncher } from "./work.ts";

/** Every kernel of dense math; each is compiled after `densePrelude`. */
export const denseKernels = (): readonly Kernel[] =>
  [...elementwiseKernels, ...rowKernels, ...channelKernels, ...poolingKernels, ...lossKernels, ...squareKernels, ...spikeKernels, ...layoutKernels, ...groupedKernels, ...normKernels, ...stepKernels].flatMap(({ all }) => all);

/** Precisions differ in products and convolutions alone. */
export function denseMath(launcher: DenseLauncher, precision: Precision): DenseMath {
  const factors = factorsOf(precision);
  return {
    ...linearMath(launcher, factors),
    ...convolutionMath(launcher, factors),
    ...poolingMath(launcher),
    ...channelMath(launcher),
    ...normMath(launcher),
    ...stepMath(launcher),
    ...elementwiseMath(launcher),
    ...squareMath(launcher),
    ...spikeMath(launcher),
    ...lossMath(launcher),
  };
}
