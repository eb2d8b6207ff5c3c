import { assemble } from "../../codegen/wasm/assemble.ts";
import { type Samples, wasmModule } from "../../codegen/wasm/emit.ts";
import { GROUP } from "../../codegen/wasm/kernel.ts";
import type { Plan } from "../../fusion/plan.ts";
import type { CpuContext } from "./context.ts";
import { roundUp } from "./memory.ts";

/** Neuron-steps below which a further chunk of a launch is not worth its hand-over. */
const CHUNK_WORK = 4096;
/** More than one, since threads do not always get their core at once. */
const CHUNKS_PER_THREAD = 4;

/** Runs of a row that the processor foresees well enough by itself, as measured. */
const LONG_RUN = 1024;
/** Where there are no such runs for all threads: neurons of which it takes in several rows at once (`meet` in the kernels). */
const STRIP = 128;

/** Emits, assembles and loads the kernels of a plan: the module's number in the pool. `samples` is for recurrent plans. */
export function loadKernels(device: CpuContext, plan: Plan, samples?: Samples): number {
  const { text, scratch } = wasmModule(plan, undefined, samples);
  const module = device.pool.load(assemble(plan.neuron.name, text));
  device.pool.reserveScratch(scratch);
  return module;
}

/**
 * Neurons of one chunk of a launch. One thread walks whole tiles: whole rows are one run. Several take long runs of all rows, if need be one each, or strips; of very few
 * neurons the least that a kernel can take, which is a walk in equal steps.
 */
export function grain(size: number, steps: number, tile: number, threads: number): number {
  if (threads === 1) return tile;
  const run = [CHUNKS_PER_THREAD, 1].map((chunks) => Math.ceil(size / (threads * chunks))).find((length) => length >= LONG_RUN);
  const strip = run ?? (size > threads * STRIP ? STRIP : GROUP);
  return Math.min(tile, roundUp(Math.max(strip, CHUNK_WORK / steps), GROUP));
}
