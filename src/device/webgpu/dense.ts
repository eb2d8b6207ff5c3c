import type { DenseMath } from "../device.ts";
import { copyingAdd } from "../dense/add.ts";
import { float32Cast } from "../dense/precision.ts";
import type { WebGpuContext } from "./context.ts";
import { channelMath } from "./dense/channels.ts";
import { convolutionMath } from "./dense/convolution.ts";
import { elementwiseMath } from "./dense/elementwise.ts";
import { linearMath } from "./dense/linear.ts";
import { lossMath } from "./dense/losses.ts";
import { normMath } from "./dense/norms.ts";
import { poolingMath } from "./dense/pooling.ts";
import { spikeMath } from "./dense/spikes.ts";
import { stepMath } from "./dense/steps.ts";
import { Launcher } from "./dense/work.ts";

/** Dense math by WGSL kernels. Shapes are parameters: a kernel is compiled once, for all shapes. Results depend on shapes and values alone. */
export function createDense(device: WebGpuContext): DenseMath {
  const launcher = new Launcher(device);
  const elementwise = elementwiseMath(launcher);
  return {
    ...linearMath(launcher),
    ...convolutionMath(launcher),
    ...poolingMath(launcher),
    ...channelMath(launcher),
    ...normMath(launcher),
    ...stepMath(launcher),
    ...elementwise,
    ...copyingAdd(device, elementwise),
    ...spikeMath(launcher),
    ...lossMath(launcher),
    ...float32Cast(device),
  };
}
