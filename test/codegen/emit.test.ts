import { describe, expect, it } from "vitest";
import { emitCuda, emitWasm, emitWgsl, lif, OptionError, parametricLif, plan } from "../../src/index.ts";
import { recurrentOf } from "../conformance/cases.ts";
import { assemble } from "../../src/codegen/wasm/assemble.ts";
import { Kernel } from "../../src/codegen/wasm/kernel.ts";

const kernels = plan({ neuron: parametricLif(), steps: 8, gradients: ["x", "w"] });

describe.each([
  ["emitWasm", emitWasm, (direction: string) => `(export "${direction}")`],
  ["emitWgsl", emitWgsl, (direction: string) => `fn ${direction}(@builtin`],
  ["emitCuda", emitCuda, (direction: string) => `\n${direction}(const float*`],
] as const)("%s", (name, emit, entry) => {
  it("gives each kernel by itself, from a plan alone", () => {
    const { forward, backward } = emit(kernels);
    expect(forward).toContain(entry("forward"));
    expect(forward).not.toContain(entry("backward"));
    expect(backward).toContain(entry("backward"));
    expect(backward).not.toContain(entry("forward"));
  });

  it("gives no backward kernel where the plan has none", () => {
    expect(emit(plan({ neuron: lif(), steps: 8 })).backward).toBeNull();
  });

  it("says what it takes", () => {
    for (const given of [undefined, null, lif(), "lif", {}]) {
      expect(() => emit(given as never)).toThrow(OptionError);
      expect(() => emit(given as never)).toThrow(new RegExp(`^${name}: plan is .*: expected a plan: plan\\(\\{ neuron, steps \\}\\)`));
    }
    if (name === "emitWasm") return;
    for (const options of ["forward", { vectr: 2 }, { vector: 3 }, { vector: "1" }, { [name === "emitWgsl" ? "workgroup" : "block"]: 0 }]) expect(() => (emit as typeof emitCuda)(kernels, options as never)).toThrow(OptionError);
    expect(() => (emit as typeof emitCuda)(kernels, { vectr: 2 } as never)).toThrow(/did you mean vector\?/);
  });
});

it("takes as many neurons a thread as it is told", () => {
  expect(emitWgsl(kernels, { vector: 4 }).forward).toContain("vec4f");
  expect(emitWgsl(kernels, { workgroup: 128 }).forward).toContain("@workgroup_size(128)");
  expect(emitCuda(kernels, { vector: 8, block: 128 }).forward).toMatch(/__launch_bounds__\(128, 1\)[^]*8 neurons|8 neurons[^]*__launch_bounds__\(128, 1\)/);
});

it("gives the kernels of a recurrent product as many threads as a sample is said to need, in whole warps", () => {
  const recurrent = plan({ ...recurrentOf(lif()), steps: 8 });
  expect(emitWgsl(recurrent).backward).toContain("@workgroup_size(256)");
  expect(emitWgsl(recurrent, { workgroup: 64, vector: 4 }).forward).toContain("var<workgroup> firedRow: array<u32, 256>");
  expect(emitCuda(recurrent, { block: 128, vector: 2 }).backward).toContain("__shared__ float boards[1][256];");
  expect(() => emitWgsl(recurrent, { workgroup: 48 })).toThrow(/^emitWgsl: workgroup is 48: .* a multiple of 32/);
  expect(() => emitCuda(recurrent, { block: 48 })).toThrow(OptionError);
});

it("says when a step has more values than a WebAssembly function can hold", () => {
  const kernel = new Kernel(kernels.forward, 256);
  for (let i = 0; i < 50_000; i++) kernel.locals.add(`$v${i}`);
  expect(() => kernel.function("forward", "long, all steps forward", [])).toThrow(/^long, all steps forward: \d+ values are too many for a WebAssembly function, which holds 50000/);
});

it("gives WebAssembly text that assembles and loads", () => {
  for (const text of Object.values(emitWasm(kernels))) expect(new WebAssembly.Module(assemble("test", text as string) as Uint8Array<ArrayBuffer>)).toBeInstanceOf(WebAssembly.Module);
});
