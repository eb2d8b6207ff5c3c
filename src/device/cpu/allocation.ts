import { convolutionGeometry, isWhole } from "../dense/windows.ts";
import type { Allocation, Tensor } from "../device.ts";
import { chunkBytes, widenedBytes } from "./copies.ts";
import { partialBytes } from "./dense/channels.ts";
import { weightPartials } from "./dense/convolution.ts";
import { groupedPartials } from "./dense/groupedConvolution.ts";
import { SUM_BLOCK } from "./dense/elementwise.ts";
import { panelBytes } from "./dense/panels.ts";
import { stepPartialBytes } from "./dense/steps.ts";
import { roundUp } from "./memory.ts";

const ALIGNMENT = 64;
const DOUBLE = 8;

const sumBlocks = (tensors: readonly Tensor[]): number => tensors.reduce((sum, { size }) => sum + Math.ceil(size / SUM_BLOCK), 0);

/** Of products that go over dense rows or over nonzeros, as the contents are: what takes more. The scratch of the threads is not counted. `chunkThreads` run chunks of time side by side; 0: none do. */
export const cpuAllocation = (bytesTotal: number, chunkThreads: number): Allocation => ({
  bytesTotal,
  blockBytes: (bytes) => roundUp(Math.max(bytes, 1), ALIGNMENT),
  workspace: {
    linear: (x, w) => panelBytes({ segments: 1, length: x.shape[1], columns: w.shape[1] }),
    linearBackward: (x, w, dy) => Math.max(
      panelBytes({ segments: 1, length: x.shape[0], columns: w.shape[1] }),
      panelBytes({ segments: 1, length: w.shape[1], columns: w.shape[0] }),
      partialBytes(dy),
    ),
    conv2d(x, w, _, window) {
      const [height, width, channels, outChannels] = w.shape;
      return isWhole(convolutionGeometry("conv2d", x, w, window)) ? panelBytes({ segments: height, length: width * channels, columns: outChannels }) : 0;
    },
    conv2dBackward(x, w, dy, window, need) {
      const [height, width, channels, outChannels] = w.shape;
      const geometry = convolutionGeometry("conv2dBackward", x, w, window);
      if (!isWhole(geometry)) return Math.max(need.input ? 4 * w.size : 0, 4 * groupedPartials(geometry, w.size).blocks * w.size, partialBytes(dy));
      const partials = [true, false].map((sparse) => weightPartials(geometry, outChannels, sparse)).map(({ blocks, partialSize }) => 4 * blocks * partialSize);
      const mirrored = need.input ? 4 * w.size + panelBytes({ segments: height, length: width * outChannels, columns: channels }) : 0;
      return Math.max(mirrored, ...partials, partialBytes(dy));
    },
    channelMoments: (x) => 3 * partialBytes(x),
    channelSums: partialBytes,
    channelDots: partialBytes,
    dotsFirst: stepPartialBytes,
    sumOfSquares: (...tensors) => DOUBLE * sumBlocks(tensors),
    softmaxCrossEntropy: ({ shape: [rows] }) => 2 * DOUBLE * rows,
    meanSquaredError: (x, _, weights) => DOUBLE * (weights?.size ?? sumBlocks([x])),
    /** A value of each neuron for each sum of gradients, and what adding these up takes; of a recurrent layer, its weights in panels; copies of the buffers of few neurons. */
    fused(plan, direction, launch) {
      const { size, channels = size } = launch;
      const sums = plan[direction]!.buffers.filter(({ reduce }) => reduce).length;
      const panels = plan.mix ? panelBytes({ segments: 1, length: channels, columns: channels }) : 0;
      return panels + (sums === 0 ? 0 : 4 * (sums + 1) * size) + (plan.mix ? 0 : Math.max(widenedBytes(plan, direction, launch), chunkBytes(plan, direction, launch, chunkThreads)));
    },
  },
});
