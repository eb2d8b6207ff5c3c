import { assemble } from "../../codegen/wasm/assemble.ts";
import { type Samples, wasmModule } from "../../codegen/wasm/emit.ts";
import { GROUP } from "../../codegen/wasm/kernel.ts";
import { BACKWARD_COLUMNS, FORWARD_COLUMNS } from "../../codegen/wasm/mix.ts";
import type { BufferSpec, Plan } from "../../fusion/plan.ts";
import type { FusedKernel, Launch, Tensor } from "../device.ts";
import { bufferOf, bufferTypes, checkLaunch, refuseInPlace, shareOf } from "../launch.ts";
import type { CpuContext } from "./context.ts";
import { packPanels } from "./dense/panels.ts";
import { roundUp } from "./memory.ts";

/** Neuron-steps below which a further chunk of a launch is not worth its hand-over. */
const CHUNK_WORK = 4096;
/** More than one, since threads do not always get their core at once. */
const CHUNKS_PER_THREAD = 4;

/** Runs of a row that the processor foresees well enough by itself, as measured. */
const LONG_RUN = 1024;
/** Where there are no such runs for all threads: neurons of which it takes in several rows at once (`meet` in the kernels). */
const STRIP = 128;

/** Samples of a tile of a recurrent layer, about: so many rows pass while a part of the weights is in registers. */
const TILE_SAMPLES = 16;

/** Emits, assembles and loads the two kernels of a plan; with `fma`, products of recurrent layers are added by relaxed SIMD's multiply-add. */
export function compileFused(device: CpuContext, plan: Plan, fma: boolean): FusedKernel {
  const load = (samples?: Samples): number => {
    const { text, scratch } = wasmModule(plan, undefined, samples);
    const module = device.pool.load(assemble(plan.neuron.name, text));
    device.pool.reserveScratch(scratch);
    return module;
  };
  const independent = plan.mix ? null : load();
  const bySamples = new Map<string, number>();
  /** The kernels for tiles of so many samples. */
  const moduleFor = (channels: number, samples: number): number => {
    const key = `${channels} ${samples}`;
    if (!bySamples.has(key)) bySamples.set(key, load({ channels, samples, fma }));
    return bySamples.get(key)!;
  };

  const launch = (kernel: "forward" | "backward", given: Launch): void => device.timed(shareOf(plan), () => {
    checkLaunch(plan, kernel, given);
    const specs = plan[kernel]!.buffers;
    const { steps, size, channels = size } = given;
    const reductions: { partial: Tensor; target: Tensor; extent: BufferSpec["extent"] }[] = [];
    let packed: Tensor | undefined;
    const tensors = specs.map((spec) => {
      const target = bufferOf(plan, spec, given);
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
      const addresses = (small?.tensors ?? tensors).map((tensor, i) => device.ptr(tensor, `${plan.neuron.name}.${kernel}, buffer ${specs[i].name}`, bufferTypes[specs[i].format]));
      if (steps > 1) refuseInPlace(plan, specs, addresses);
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

/**
 * Neurons of one chunk. One thread walks whole tiles: whole rows are one run. Several take long runs of all rows, if need be one each, or strips; of very few
 * neurons the least that a kernel can take, which is a walk in equal steps.
 */
function grain(size: number, steps: number, tile: number, threads: number): number {
  if (threads === 1) return tile;
  const run = [CHUNKS_PER_THREAD, 1].map((chunks) => Math.ceil(size / (threads * chunks))).find((length) => length >= LONG_RUN);
  const strip = run ?? (size > threads * STRIP ? STRIP : GROUP);
  return Math.min(tile, roundUp(Math.max(strip, CHUNK_WORK / steps), GROUP));
}

/** Copies of per-neuron buffers with rows of `width` neurons, for layers of fewer. */
function widen(device: CpuContext, specs: readonly BufferSpec[], tensors: readonly Tensor[], size: number, width: number) {
  const wide = tensors.map((tensor, i) => (specs[i].extent === "neuron" || specs[i].reduce ? device.zeros([tensor.size / size, width], tensor.dtype) : tensor));
  const move = (from: Tensor, to: Tensor, fromRow: number, toRow: number): void => {
    const source = device.view(from, "widen");
    const target = device.view(to, "widen");
    for (let i = 0; i < source.length / fromRow; i++) target.set(source.subarray(i * fromRow, i * fromRow + size), i * toRow);
  };
  specs.forEach(({ direction }, i) => { if (direction === "in" && wide[i] !== tensors[i]) move(tensors[i], wide[i], size, width); });
  return {
    tensors: wide,
    finish(): void {
      specs.forEach(({ direction }, i) => {
        if (wide[i] === tensors[i]) return;
        if (direction === "out") move(wide[i], tensors[i], width, size);
        wide[i].dispose();
      });
    },
  };
}
