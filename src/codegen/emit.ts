import { checkArgument, checkOptions, integer, kind } from "../check.ts";
import { OptionError } from "../errors.ts";
import { planKind, type Plan } from "../fusion/plan.ts";
import { cudaModule } from "./cuda/emit.ts";
import { wasmModule } from "./wasm/emit.ts";
import { wgslModule } from "./wgsl/emit.ts";

/** The text of a plan's two kernels for a target, each complete by itself: to read, or to compile. */
export interface KernelSources {
  readonly forward: string;
  /** Null where the plan has no gradients. */
  readonly backward: string | null;
}

export interface EmitWgslOptions {
  /** Neurons of a thread, side by side in memory: 1, 2 or 4; divides the number of neurons. Default 1. */
  vector?: number;
  /** Threads of a workgroup, at most 256. Default 64. With a recurrent product one workgroup has all neurons of a sample: a multiple of 32, default 256. */
  workgroup?: number;
}

export interface EmitCudaOptions {
  /** Neurons of a thread, side by side in memory: 1, 2, 4 or 8; divides the number of neurons. Default 1. */
  vector?: number;
  /** Threads of a block, at most 1024. Default 256. With a recurrent product one block has all neurons of a sample: a multiple of 32. */
  block?: number;
}

const vectorOf = (...lengths: readonly number[]) => kind(lengths.join(" or "), (x) => lengths.includes(x as number));

/**
 * WebAssembly text. A module exports `forward` or `backward` (scratch, begin, end, steps, size, channels, ...buffers in the plan's order).
 * @throws OptionError for a plan whose inputs are not f32
 */
export function emitWasm(plan: Plan): KernelSources {
  checkArgument("emitWasm", "plan", plan, planKind);
  return sources(plan, (direction) => wasmModule(plan, [direction]).text);
}

/**
 * WGSL. A module has the entry point `forward` or `backward`, its storage buffers in group 0, then the uniform { steps, size, channels, threads, row }.
 * The backward kernel is unrolled for the plan's number of steps, the forward kernel serves any. With a recurrent product it takes the weights transposed.
 * @throws OptionError for unknown options, and for a plan with more buffers than eight bindings hold
 */
export function emitWgsl(plan: Plan, options: EmitWgslOptions = {}): KernelSources {
  checkArgument("emitWgsl", "plan", plan, planKind);
  checkOptions<EmitWgslOptions>("emitWgsl", options, { vector: vectorOf(1, 2, 4), workgroup: integer(1, 256) });
  const { vector = 1, workgroup } = options;
  checkWarps("emitWgsl: workgroup", plan, workgroup);
  return sources(plan, (direction) => wgslModule(plan, direction, { steps: plan.steps, vector, workgroup }));
}

/**
 * CUDA C++ that needs no header. The kernel is called `forward` or `backward` (buffers in the plan's order, then steps, size, channels). With a
 * recurrent product `backward` takes the weights transposed.
 * @throws OptionError for unknown options
 */
export function emitCuda(plan: Plan, options: EmitCudaOptions = {}): KernelSources {
  checkArgument("emitCuda", "plan", plan, planKind);
  checkOptions<EmitCudaOptions>("emitCuda", options, { vector: vectorOf(1, 2, 4, 8), block: integer(1, 1024) });
  const { vector = 1, block } = options;
  checkWarps("emitCuda: block", plan, block);
  return sources(plan, (direction) => cudaModule(plan, { vector, block }, [direction]));
}

function checkWarps(what: string, { mix }: Plan, threads = 32): void {
  if (mix && threads % 32 !== 0) throw new OptionError(`${what} is ${threads}: the threads of a kernel with a recurrent product are a multiple of 32`);
}

const sources = (plan: Plan, emit: (direction: "forward" | "backward") => string): KernelSources => ({ forward: emit("forward"), backward: plan.backward && emit("backward") });
