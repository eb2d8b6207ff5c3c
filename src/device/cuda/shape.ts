import { mostNeurons, sampleLayout } from "../../codegen/samples.ts";
import { DeviceError } from "../../errors.ts";
import { runsUnguarded } from "../../codegen/cuda/emit.ts";
import { formats } from "../../codegen/formats.ts";
import type { Plan } from "../../fusion/plan.ts";
import { inPieces, levelsOf } from "../../fusion/sums.ts";
import { trajectoryOf } from "../../fusion/trajectory.ts";

/** How a kernel is laid out over threads, and what it is compiled for. */
export interface KernelShape {
  /** Neurons of one thread, side by side in memory. */
  readonly vector: number;
  /** Threads of a block. */
  readonly block: number;
  /** Blocks that a multiprocessor shall hold at once: what bounds the registers of a thread. */
  readonly resident: number;
  /** T, where the kernel is compiled for it alone. */
  readonly steps: number | undefined;
  /** Threads of a sample, where neurons read one another. */
  readonly sample?: number;
}

/** Bytes of the widest access to memory. */
const ACCESS_BYTES = 16;
const BLOCK = 128;
/** Registers of a multiprocessor, over the threads of a block: what a thread of each block has where one block is resident. */
const REGISTERS = 65536 / BLOCK;
/** More blocks than these would leave a thread too few registers to have many loads on their way. */
const MOST_RESIDENT = 6;
/** Registers of a thread beside its trajectory and its sums. */
const OTHER_REGISTERS = 36;
/** Bytes that a thread reads, of one input, before it walks back: as many of its registers as elements hold its trajectory. */
const TRAJECTORY_BYTES = 128;
/** Registers of a thread that may hold the sums of gradients of parameters. */
const SUM_REGISTERS = 32;
/** What every GPU gives a block; memory without asking for more. */
const BLOCK_LIMITS = { threads: 1024, bytes: 48 << 10 };
/** A narrower access must take this much off the busiest multiprocessor's neurons to be worth its instructions. */
const WORTH = 1.25;

/**
 * The shape of a kernel for a launch of `size` neurons over T steps. A thread takes as many neurons as one access of 16 bytes holds, provided that they divide the
 * number of neurons; that, going backward, the trajectory and the sums stay in registers; and that no multiprocessor is left idle for it. A
 * backward kernel that recomputes the trajectory whole is compiled for its T, so that no step needs a guard. Where neurons read one another, blocks
 * hold whole samples of `channels` neurons.
 * @throws DeviceError for samples of more neurons than a block holds
 */
export function shapeOf(plan: Plan, direction: "forward" | "backward", size: number, T: number, multiprocessors: number, channels = size): KernelShape {
  if (plan.mix) return sampleShape(plan, channels, size / channels, multiprocessors);
  const { buffers } = plan[direction]!;
  const elementBytes = Math.max(1, ...buffers.filter(({ time }) => time === "varying").map(({ format }) => formats[format].bytes));
  const [kept, sums] = direction === "forward" ? [0, 0] : [plan.chunk * keptOf(plan), sumsOf(plan)];
  const fits = (vector: number): boolean => size % vector === 0
    && vector * elementBytes <= ACCESS_BYTES && kept * vector <= TRAJECTORY_BYTES / elementBytes && sums * vector <= SUM_REGISTERS;
  /** Neurons of the multiprocessor that has most. */
  const busiest = (vector: number): number => Math.ceil(size / vector / BLOCK / multiprocessors) * Math.min(size, BLOCK * vector);
  const vectors = [8, 4, 2].filter(fits).concat(1);
  const least = Math.min(...vectors.map(busiest));
  const vector = vectors.find((each) => busiest(each) <= WORTH * least)!;
  const unguarded = direction === "backward" && runsUnguarded(plan);
  const resident = !unguarded ? 1 : Math.max(1, Math.min(MOST_RESIDENT, Math.floor(REGISTERS / (vector * (kept + sums) + OTHER_REGISTERS))));
  return { vector, block: BLOCK, resident, steps: unguarded && !inPieces(plan) ? T : undefined };
}

function sampleShape({ neuron }: Plan, channels: number, count: number, multiprocessors: number): KernelShape {
  const layout = sampleLayout(channels, count, multiprocessors, BLOCK_LIMITS);
  if (!layout) {
    throw new DeviceError(`cuda: ${neuron.name}: ${channels} neurons that are connected all to all exceed the ${mostNeurons(BLOCK_LIMITS)} that a block of threads can hold; make the recurrent layer smaller, give it weights "elementwise", or use the device "cpu".`);
  }
  return { vector: layout.slots, block: layout.threads * layout.samples, resident: 1, steps: undefined, sample: layout.threads };
}

/** Registers that a neuron's trajectory takes for each step. */
function keptOf({ backward }: Plan): number {
  const { kept, inputs } = trajectoryOf(backward!);
  return inputs.reduce((sum, name) => sum + formats[backward!.buffers.find((buffer) => buffer.name === name)!.format].bytes / 4, kept.length);
}

const sumsOf = (plan: Plan): number => Object.keys(plan.backward!.reverse.results).filter((name) => name.startsWith("sum.")).length * levelsOf(plan).levels.length;
