import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { emitCudaKernels, preludeOf } from "../../src/codegen/cuda/emit.ts";
import { prelude } from "../../src/codegen/cuda/prelude.ts";
import { densePrelude } from "../../src/device/cuda/dense/kernel.ts";
import { denseKernels } from "../../src/device/cuda/dense/math.ts";
import { shapeOf } from "../../src/device/cuda/shape.ts";
import { plan, type PlanRequest } from "../../src/fusion/plan.ts";
import { defineNeuron, type Expr, lif, spike, surrogate } from "../../src/neuron/index.ts";
import { postOrder } from "../../src/neuron/walk.ts";
import { recurrentOf } from "../conformance/cases.ts";
import { adaptiveLif, awkward, builtIn, everything, suffixed, wordy } from "../conformance/neurons.ts";
import { sample } from "../sample.ts";

const missing = spawnSync("nvcc", ["--version"]).status !== 0;

/** Registers and bytes of spills of each kernel, compiled for an architecture. */
async function compile(sources: readonly string[], architecture: string, head = prelude): Promise<Record<string, { registers: number; spills: number }>> {
  const folder = await mkdtemp(join(tmpdir(), "spikefold-nvcc-"));
  try {
    await writeFile(join(folder, "kernels.cu"), [head, ...sources].join("\n"));
    const { stderr } = await promisify(execFile)("nvcc", [`-arch=${architecture}`, "--fmad=false", "-cubin", "-Xptxas", "-v", "-o", join(folder, "kernels.cubin"), join(folder, "kernels.cu")], { maxBuffer: 1 << 26 });
    const found: Record<string, { registers: number; spills: number }> = {};
    let name = "";
    for (const line of stderr.split("\n")) {
      name = /Compiling entry function '(\w+)'/.exec(line)?.[1] ?? name;
      const spills = /(\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line);
      const registers = /Used (\d+) registers/.exec(line);
      if (spills) found[name] = { registers: 0, spills: Number(spills[1]) + Number(spills[2]) };
      if (registers) found[name].registers = Number(registers[1]);
    }
    return found;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The kernels in the assembler's language. */
async function ptx(sources: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "spikefold-nvcc-"));
  try {
    await writeFile(join(folder, "kernels.cu"), [prelude, ...sources].join("\n"));
    await promisify(execFile)("nvcc", ["-arch=sm_90", "--fmad=false", "-ptx", "-o", join(folder, "kernels.ptx"), join(folder, "kernels.cu")]);
    return await readFile(join(folder, "kernels.ptx"), "utf8");
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Whether an expression divides. */
const divides = (roots: readonly Expr[]): boolean => postOrder(roots).some(({ node }) => node.kind === "operation" && node.op === "div");

const gradientsOf = ({ neuron }: PlanRequest): string[] => [...neuron.inputs, ...Object.keys(neuron.params)];
const kernels = (request: PlanRequest, vector: number, suffix: string): string[] => emitCudaKernels(plan({ ...request, gradients: gradientsOf(request) }), { vector, suffix });
/** The kernels with as many neurons a thread as a launch gives them, where any number divides the population. */
function launched(request: PlanRequest, suffix: string): string[] {
  const plans = plan({ ...request, gradients: gradientsOf(request) });
  return (["forward", "backward"] as const).flatMap((direction) => emitCudaKernels(plans, { ...shapeOf(plans, direction, 2 ** 20, plans.steps, 132), suffix }, [direction]));
}

/**
 * Bytes that a thread may write and read again: the compiler orders 32 unguarded steps for the most loads on their way, and lets go of an address or two
 * for it. They stay in the first level of cache, and are a few of a thousand instructions.
 */
const SPILLS = 192;

/** Many sums over time. */
const polynomial = defineNeuron({
  name: "polynomial", state: { v: 0 }, params: { decay: 0.9, a: 0.1, b: 0.2, c: 0.3, d: 0.4, e: 0.5, f: 0.6, g: 0.7 },
  step({ v }, { x }, { decay, ...factors }) {
    const h = Object.values(factors).reduce<Expr>((sum, factor) => sum.mul(x).add(factor), v.mul(decay));
    const s = spike(h.sub(1), surrogate.atan());
    return { spike: s, v: h.sub(s) };
  },
});

/** Neurons that a block can hold. */
const MOST = 4096;

describe.skipIf(missing)(`nvcc compiles the CUDA kernels${missing ? " (skipped: there is no nvcc)" : ""}`, () => {
  it.each(sample(["sm_80", "sm_90"], 1))("of every neuron of the conformance suite, for %s", async (architecture) => {
    const neurons = [...sample([...builtIn.map(([, neuron]) => neuron), adaptiveLif, everything], 3), awkward, suffixed, wordy];
    const found = await compile(neurons.flatMap((neuron, i) => kernels({ neuron, steps: 16 }, 1, `_${i}`)), architecture);
    expect(Object.keys(found)).toHaveLength(2 * neurons.length);
  }, 240_000);

  it.each(sample(["sm_80", "sm_90"], 1))("as they are launched, without spills that weigh, for %s", async (architecture) => {
    const neurons = [...sample([lif({ surrogate: surrogate.atan() }), lif(), adaptiveLif], 1), polynomial];
    const sources = neurons.flatMap((neuron, i) => sample([4, 8, 16, 32, 64, 128, 1024], 2).flatMap((steps) =>
      (["f32", "bf16"] as const).flatMap((elements) => launched({ neuron, steps, elements, outputs: { spike: elements } }, `_${i}_${steps}_${elements}`))));
    const found = await compile(sources, architecture);
    const spilling = Object.entries(found).filter(([, { spills }]) => spills > SPILLS).map(([name, { registers, spills }]) => `${name}: ${spills} bytes, ${registers} registers`);
    expect(spilling).toEqual([]);
  }, 240_000);

  it.each(sample(["sm_80", "sm_90"], 1))("with a recurrent product, in the registers and the shared memory that a block has, for %s", async (architecture) => {
    const sources = [1, 256, 700, 1500, MOST].flatMap((channels) => (["f32", "bf16"] as const).flatMap((elements) => {
      const plans = plan({ ...recurrentOf(adaptiveLif), steps: 100, elements, outputs: { spike: elements } });
      return (["forward", "backward"] as const).flatMap((direction) => emitCudaKernels(plans, { ...shapeOf(plans, direction, 64 * channels, 100, 132, channels), suffix: `_${channels}_${elements}` }, [direction]));
    }));
    const found = await compile(sources, architecture, preludeOf(plan({ ...recurrentOf(adaptiveLif), steps: 1 })));
    expect(Object.keys(found)).toHaveLength(sources.length);
  }, 240_000);

  it.each(sample(["sm_80", "sm_90"], 1))("of dense math, for %s", async (architecture) => {
    const all = sample(denseKernels(), 40);
    const found = await compile(all.map(({ source }) => source), architecture, densePrelude);
    expect(Object.keys(found).sort()).toEqual(all.map(({ name }) => name).sort());
    expect(Object.entries(found).filter(([, { spills }]) => spills > 64)).toEqual([]);
  }, 240_000);

  it("of built-in neurons without the slow paths of division in their steps backward", async () => {
    // A neuron's time constant is divided by where the step says so: of those that are built in, by 1.7 and the like alone.
    const neurons = sample(builtIn.map(([, neuron]) => neuron).filter(({ name, next }) => !(name === "lif" && divides(Object.values(next)))), 6);
    for (const neuron of neurons) {
      const request = { neuron, steps: 8, outputs: { spike: "f32" as const } };
      const { prologue, epilogue } = plan({ ...request, gradients: gradientsOf(request) }).backward!;
      const once = [...prologue.values, ...epilogue.values].filter((value) => value.kind === "operation" && (value.op === "div" || value.op === "sigmoid")).length;
      const text = await ptx(launched(request, "").slice(1));
      expect(text.match(/\b(div|rcp|sqrt)\.(rn|full)\.f32/g) ?? [], neuron.name).toHaveLength(once);
    }
  }, 240_000);
});
