import { GROUP } from "../../codegen/wasm/kernel.ts";
import { BACKWARD_COLUMNS, FORWARD_COLUMNS } from "../../codegen/wasm/mix.ts";
import type { BufferSpec, Plan } from "../../fusion/plan.ts";
import type { FusedKernel, Launch, Tensor } from "../device.ts";
import { bufferOf, bufferTypes, checkLaunch, refuseInPlace, shareOf } from "../launch.ts";
import { ELEMENT_BYTES } from "../tensor.ts";
import type { CpuContext } from "./context.ts";
import { packPanels } from "./dense/panels.ts";
import { fold } from "./folding.ts";
import { grain, loadKernels } from "./kernels.ts";
import { roundUp } from "./memory.ts";
import { TimeParallel } from "./timeParallel.ts";

/** Samples of a tile of a recurrent layer, about: so many rows pass while a part of the weights is in registers. */
const TILE_SAMPLES = 16;

/** Emits, assembles and loads the two kernels of a plan; with `fma`, products of recurrent layers are added by relaxed SIMD's multiply-add. */
export function compileFused(device: CpuContext, plan: Plan, fma: boolean, inChunks = true): FusedKernel {
  const independent = plan.mix ? null : loadKernels(device, plan);
  const timeParallel = inChunks ? new TimeParallel(device, plan) : null;
  const bySamples = new Map<string, number>();
  /** The kernels for tiles of so many samples. */
  const moduleFor = (channels: number, samples: number): number => {
    const key = `${channels} ${samples}`;
    if (!bySamples.has(key)) bySamples.set(key, loadKernels(device, plan, { channels, samples, fma }));
    return bySamples.get(key)!;
  };

  const launch = (kernel: "forward" | "backward", given: Launch): void => device.timed(shareOf(plan), () => {
    checkLaunch(plan, kernel, given);
    const specs = plan[kernel]!.buffers;
    const { steps, size, channels = size } = given;
    const addressOf = (tensor: Tensor, i: number): number => device.ptr(tensor, `${plan.neuron.name}.${kernel}, buffer ${specs[i].name}`, bufferTypes[specs[i].format]);
    const targets = specs.map((spec) => bufferOf(plan, spec, given));
    if (steps > 1) refuseInPlace(plan, specs, targets.map(addressOf));
    if (timeParallel?.run(kernel, given)) return;
    const reductions: { partial: Tensor; target: Tensor; extent: BufferSpec["extent"] }[] = [];
    let packed: Tensor | undefined;
    const tensors = specs.map((spec, i) => {
      const target = targets[i];
      if (spec.extent === "matrix") {
        const transposed = kernel === "backward";
        packed = packPanels(device, {
          address: device.ptr(target, spec.name, "f32"), segments: 1, length: channels, columns: channels, rowStride: transposed ? 1 : channels, columnStride: transposed ? channels : 1,
        }, transposed ? BACKWARD_COLUMNS : FORWARD_COLUMNS, spec.name);
        return packed;
      }
      if (!spec.reduce) return target;
      const partial = device.empty([size]);
      reductions.push({ partial, target, extent: spec.extent });
      return partial;
    });
    try {
      const whole = plan.mix ? wholeGroups(channels) : 0;
      const padded = plan.mix ? roundUp(size, whole * channels) : steps > 1 ? Math.max(size, GROUP) : size;
      const small = padded > size ? widen(device, specs, tensors, size, padded) : null;
      const addresses = (small?.tensors ?? tensors).map(addressOf);
      // One step alone may run past the end of its rows, into the padding of their blocks; several steps may not.
      const width = plan.mix || small ? padded : steps === 1 ? roundUp(size, GROUP) : size;
      const samples = roundUp(Math.min(TILE_SAMPLES, Math.ceil(size / channels / device.pool.threads)), Math.max(1, whole));
      const module = independent ?? moduleFor(channels, samples);
      const chunk = plan.mix ? samples * channels : grain(width, steps, plan.tile[kernel], device.pool.threads);
      device.pool.run(module, kernel, width, chunk, [steps, width, channels, ...addresses]);
      small?.finish();
      for (const { partial, target, extent } of reductions) {
        const rows = partial.reshape(extent === "channel" ? [size / channels, channels] : [size, 1]);
        const sum = device.dense.channelSums(rows);
        device.copy(sum, target);
        sum.dispose();
        rows.dispose();
      }
    } finally {
      for (const { partial } of reductions) partial.dispose();
      packed?.dispose();
    }
  });
  return {
    plan,
    forward: (given) => launch("forward", given),
    backward: (given) => launch("backward", given),
  };
}

/** The fewest samples that are a whole number of groups of neurons. */
function wholeGroups(channels: number): number {
  let samples = 1;
  while ((samples * channels) % GROUP !== 0) samples *= 2;
  return samples;
}

/** Copies of per-neuron buffers with rows of `width` neurons, zeros beyond `size`, for layers of fewer than a kernel can take. */
function widen(device: CpuContext, specs: readonly BufferSpec[], tensors: readonly Tensor[], size: number, width: number) {
  const wide = tensors.map((tensor, i) => (specs[i].extent === "neuron" || specs[i].reduce ? device.empty([tensor.size / size, width], tensor.dtype) : tensor));
  const move = (direction: "fold" | "unfold", i: number): void => {
    const rows = tensors[i].size / size;
    if (rows === 0) return;
    const bytes = size * ELEMENT_BYTES[tensors[i].dtype];
    fold(device, direction, {
      plain: device.ptr(tensors[i], "widen"), plainRow: bytes, folded: device.ptr(wide[i], "widen"), foldedRow: width * ELEMENT_BYTES[wide[i].dtype], chunks: 1, rows, bytes,
    });
  };
  specs.forEach(({ direction }, i) => { if (direction === "in" && wide[i] !== tensors[i]) move("fold", i); });
  return {
    tensors: wide,
    finish(): void {
      specs.forEach(({ direction }, i) => {
        if (wide[i] === tensors[i]) return;
        if (direction === "out") move("unfold", i);
        wide[i].dispose();
      });
    },
  };
}
