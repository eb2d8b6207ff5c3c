import { checkArgument, positive } from "../check.ts";
import type { Device, FusedKernel, Tensor } from "../device/device.ts";
import { plan } from "../fusion/plan.ts";
import { defineStep } from "../neuron/define.ts";
import { div, minimum, sqrt } from "../neuron/expr.ts";

/** Keeps a small gradient from being divided by nearly nothing; PyTorch's value. */
const EPSILON = 1e-6;

/** Limits the norm of all gradients taken together (Pascanu et al., ICML 2013), without leaving the device. */
export class GradientClipper {
  readonly #device: Device;
  readonly #kernel: FusedKernel;
  /** min(1, maxNorm / norm), shape [1]. */
  readonly #factor: Tensor;

  /** @throws OptionError unless maxNorm is a finite number > 0. */
  constructor(maxNorm: number, device: Device) {
    checkArgument("clipping", "clipNorm", maxNorm, positive);
    this.#device = device;
    const neuron = defineStep({
      name: "clip",
      state: { factor: 1 },
      inputs: ["squares"],
      step: (_, { squares }) => ({ factor: minimum(div(maxNorm, sqrt(squares).add(EPSILON)), 1) }),
    });
    this.#kernel = device.kernel(plan({ neuron, steps: 1, outputs: {}, finalState: true }));
    this.#factor = device.empty([1]);
  }

  /** The factor that brings the gradients' global norm to at most maxNorm. The tensor [1] is the clipper's own. */
  factor(gradients: readonly Tensor[]): Tensor {
    using squares = this.#device.dense.sumOfSquares(...gradients);
    this.#kernel.forward({ steps: 1, size: 1, buffers: { squares, "final.factor": this.#factor } });
    return this.#factor;
  }

  dispose(): void {
    this.#factor.dispose();
  }
}
