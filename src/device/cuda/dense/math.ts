import type { DenseMath } from "../../device.ts";
import type { CudaContext } from "../context.ts";
import { channelKernels, channelMath } from "./channels.ts";
import { convolutionMath } from "./convolution.ts";
import { elementwiseKernels, elementwiseMath } from "./elementwise.ts";
import { densePrelude, type Kernel } from "./kernel.ts";
import { linearKernels, linearMath } from "./linear.ts";
import { lossKernels, lossMath } from "./losses.ts";
import { poolingKernels, poolingMath } from "./pooling.ts";
import { rowKernels } from "./rows.ts";
import { squareKernels, squareMath } from "./squares.ts";
import { DenseLauncher } from "./work.ts";

export { densePrelude };

/** Every kernel of dense math; each is compiled after `densePrelude`. */
export const denseKernels = (): readonly Kernel[] =>
  [...elementwiseKernels, ...rowKernels, ...channelKernels, ...poolingKernels, ...lossKernels, ...squareKernels, ...linearKernels].flatMap(({ all }) => all);

export function denseMath(context: CudaContext): DenseMath {
  const launcher = new DenseLauncher(context);
  return {
    ...linearMath(launcher),
    ...convolutionMath(launcher),
    ...poolingMath(launcher),
    ...channelMath(launcher),
    ...elementwiseMath(launcher),
    ...squareMath(launcher),
    ...lossMath(launcher),
  };
}
