import type { DenseMath } from "../device.ts";
import { copyingAdd } from "../dense/add.ts";
import { float32Cast } from "../dense/precision.ts";
import type { CpuContext } from "./context.ts";
import { channelMath } from "./dense/channels.ts";
import { convolutionMath } from "./dense/convolution.ts";
import { elementwiseMath } from "./dense/elementwise.ts";
import { linearMath } from "./dense/linear.ts";
import { lossMath } from "./dense/losses.ts";
import { normMath } from "./dense/norms.ts";
import { poolingMath } from "./dense/pooling.ts";
import { spikeMath } from "./dense/spikes.ts";
import { stepMath } from "./dense/steps.ts";

/** Dense math by the kernels of assembly/, on all threads of the device. Results do not depend on their number. */
export function createDense(device: CpuContext): DenseMath {
  const elementwise = elementwiseMath(device);
  return {
    ...linearMath(device),
    ...convolutionMath(device),
    ...poolingMath(device),
    ...channelMath(device),
    ...normMath(device),
    ...stepMath(device),
    ...elementwise,
    ...copyingAdd(device, elementwise),
    ...spikeMath(device),
    ...lossMath(device),
    ...float32Cast(device),
  };
}
