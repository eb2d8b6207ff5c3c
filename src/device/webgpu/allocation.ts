import { bindingsOf } from "../../codegen/wgsl/emit.ts";
import { formats } from "../../codegen/formats.ts";
import type { BufferSpec } from "../../fusion/plan.ts";
import { convolutionGeometry, isWhole } from "../dense/windows.ts";
import type { Allocation, Tensor } from "../device.ts";
import type { WebGpuContext } from "./context.ts";
import { weightParts } from "./dense/convolution.ts";
import { groupedParts } from "./dense/groupedConvolution.ts";
import { depthParts } from "./dense/product.ts";
import { blocksOf, partialBytes } from "./dense/reduction.ts";
import { stepPartialBytes } from "./dense/steps.ts";
import { elementsOfKernel, type Extents, PADDING, stripOf } from "./strips.ts";

/** What there is in all, WebGPU does not say. */
export function webgpuAllocation(device: WebGpuContext): Allocation {
  const overRows = ({ shape, size }: Tensor): number => partialBytes(device, size / shape[shape.length - 1], shape[shape.length - 1]);
  /** Sums of `parts` results of `values` values. */
  const merged = (parts: number, values: number): number => (parts === 1 ? 0 : 4 * parts * values + partialBytes(device, parts, values));
  const product = (rows: number, columns: number, depth: number): number => merged(depthParts(device, { rows, columns, depth }).parts, rows * columns);
  const transposed = (w: Tensor, need: { input: boolean }): number => (need.input ? 4 * w.size : 0);
  return {
    blockBytes: (bytes) => 4 * Math.ceil(Math.max(bytes, 1) / 4),
    workspace: {
      linear: ({ shape: [rows, depth] }, w) => product(rows, w.shape[1], depth),
      linearBackward({ shape: [rows, depth] }, w, dy, need) {
        const columns = w.shape[1];
        return product(depth, columns, rows) + transposed(w, need) + (need.input ? product(rows, depth, columns) : 0) + overRows(dy);
      },
      conv2dBackward(x, w, dy, window, need) {
        const columns = w.shape[3];
        const geometry = convolutionGeometry("conv2dBackward", x, w, window);
        if (!isWhole(geometry)) return merged(groupedParts(device, geometry, w.size).parts, w.size) + overRows(dy);
        return merged(weightParts(device, geometry, columns).parts, w.size) + transposed(w, need) + overRows(dy);
      },
      channelMoments({ shape, size }) {
        const channels = shape[shape.length - 1];
        return 12 * blocksOf(size / channels, channels) * channels;
      },
      channelSums: overRows,
      channelDots: overRows,
      sumFirst: ({ shape: [times], size }) => partialBytes(device, times, size / times),
      dotsFirst: (x) => stepPartialBytes(device, x),
      sumOfSquares: (...tensors) => tensors.reduce((bytes, { size }) => bytes + 4 + partialBytes(device, size, 1), 0),
      softmaxCrossEntropy: ({ shape: [rows] }) => 8 * rows + 2 * partialBytes(device, rows, 1),
      meanSquaredError: ({ size }, _, weights) => partialBytes(device, size, 1) + (weights ? 4 * size : 0),
      /** The weights of a recurrent product, transposed; a value of each neuron for each sum of gradients; copies of buffers that share a binding, and of those of a strip, where a binding cannot hold them whole. */
      fused(plan, direction, { steps, size, channels = size }) {
        const specs = plan[direction]!.buffers;
        const bindings = bindingsOf(plan, direction);
        const strip = stripOf(plan, specs, bindings, { steps, size, channels }, device.limits);
        const extents: Extents = { steps, size: strip, channels: channels === size ? strip : channels };
        const bytes = (spec: BufferSpec): number => elementsOfKernel(plan, spec, extents) * formats[spec.format].bytes + PADDING;
        const total = (some: readonly BufferSpec[]): number => some.reduce((sum, spec) => sum + bytes(spec), 0);
        const sharing = specs.filter(({ name }) => bindings.some(({ buffers, offsets }) => offsets && buffers.includes(name)));
        const sums = specs.filter(({ reduce }) => reduce).length;
        const turned = plan.mix && direction === "backward" ? 4 * channels ** 2 : 0;
        return turned + total(sharing) + (strip === size ? 0 : total(specs)) + (sums === 0 ? 0 : 4 * sums * size + partialBytes(device, size / channels, channels) + partialBytes(device, size, 1));
      },
    },
  };
}
