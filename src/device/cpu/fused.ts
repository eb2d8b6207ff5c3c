import { assemble } from "../../codegen/wasm/assemble.ts";
import { wasmModule } from "../../codegen/wasm/emit.ts";
import { GROUP } from "../../codegen/wasm/kernel.ts";
import type { BufferSpec, Plan } from "../../fusion/plan.ts";
import type { FusedKernel, Launch, Tensor } from "../device.ts";
import { bufferOf, bufferTypes, checkLaunch, refuseInPlace, shareOf } from "../launch.ts";
import type { CpuContext } from "./context.ts";

/** Neuron-steps below which a further chunk of a launch is not worth its hand-over. */
const CHUNK_WORK = 4096;
/** More than one, since threads do not always get their core at once. */
const CHUNKS_PER_THREAD = 4;

/** Runs of a row that the processor foresees well enough by itself, as measured. */
const LONG_RUN = 1024;
/** Where there are no such runs for all threads: neurons of which it takes in several rows at once (`meet` in the kernels). */
const STRIP = 128;

/** Emits, assembles and loads the two kernels of a plan. */
export function compileFused(device: CpuContext, plan: Plan): FusedKernel {
  const { text, scratch } = wasmModule(plan);
  const module = device.pool.load(assemble(plan.neuron.name, text));
  device.pool.reserveScratch(scratch);

  const launch = (kernel: "forward" | "backward", given: Launch): void => device.timed(shareOf(plan), () => {
    checkLaunch(plan, kernel, given);
    const specs = plan[kernel]!.buffers;
    const { steps, size, channels = size } = given;
    const reductions: { partial: Tensor; target: Tensor; extent: BufferSpec["extent"] }[] = [];
    const tensors = specs.map((spec) => {
      const target = bufferOf(plan, spec, given);
      if (!spec.reduce) return target;
      const partial = device.empty([size]);
      reductions.push({ partial, target, extent: spec.extent });
      return partial;
    });
    try {
      const small = steps > 1 && size < GROUP ? widen(device, specs, tensors, size) : null;
      const addresses = (small?.tensors ?? tensors).map((tensor, i) => device.ptr(tensor, `${plan.neuron.name}.${kernel}, buffer ${specs[i].name}`, bufferTypes[specs[i].format]));
      if (steps > 1) refuseInPlace(plan, specs, addresses);
      // One step alone may run past the end of its rows, into the padding of their blocks; several steps may not.
      const width = small ? GROUP : steps === 1 ? roundUp(size, GROUP) : size;
      device.pool.run(module, kernel, width, grain(width, steps, plan.tile[kernel], device.pool.threads), [steps, width, channels, ...addresses]);
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
    }
  });
  return {
    plan,
    forward: (given) => launch("forward", given),
    backward: (given) => launch("backward", given),
  };
}

const roundUp = (x: number, multiple: number): number => Math.ceil(x / multiple) * multiple;

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

/** Copies of per-neuron buffers with rows of GROUP, for layers of fewer neurons. */
function widen(device: CpuContext, specs: readonly BufferSpec[], tensors: readonly Tensor[], size: number) {
  const wide = tensors.map((tensor, i) => (specs[i].extent === "neuron" || specs[i].reduce ? device.zeros([tensor.size / size, GROUP], tensor.dtype) : tensor));
  const move = (from: Tensor, to: Tensor, fromRow: number, toRow: number): void => {
    const source = device.view(from, "widen");
    const target = device.view(to, "widen");
    for (let i = 0; i < source.length / fromRow; i++) target.set(source.subarray(i * fromRow, i * fromRow + size), i * toRow);
  };
  specs.forEach(({ direction }, i) => { if (direction === "in" && wide[i] !== tensors[i]) move(tensors[i], wide[i], size, GROUP); });
  return {
    tensors: wide,
    finish(): void {
      specs.forEach(({ direction }, i) => {
        if (wide[i] === tensors[i]) return;
        if (direction === "out") move(wide[i], tensors[i], GROUP, size);
        wide[i].dispose();
      });
    },
  };
}
