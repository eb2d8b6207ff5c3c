import { beforeAll, describe, expect, it } from "vitest";
import wabt from "wabt";
import { assemble } from "../../src/codegen/wasm/assemble.ts";
import { wasmModule } from "../../src/codegen/wasm/emit.ts";
import { SpikefoldError } from "../../src/errors.ts";
import { plan, type PlanRequest, type SpikeFormat } from "../../src/fusion/plan.ts";
import { lif, type Neuron } from "../../src/neuron/index.ts";
import { adaptiveLif, awkward, builtIn, everything, stateless, suffixed, wordy } from "../conformance/neurons.ts";

let reference: (text: string) => Uint8Array;
beforeAll(async () => {
  const { parseWat } = await wabt();
  reference = (text) => {
    const module = parseWat("test.wat", text, { simd: true, threads: true });
    try {
      return module.toBinary({}).buffer;
    } finally {
      module.destroy();
    }
  };
});

function expectSame(request: PlanRequest): void {
  const { text } = wasmModule(plan(request));
  expect(Buffer.from(assemble(request.neuron.name, text)).equals(reference(text)), request.neuron.name).toBe(true);
}

const withGradients = (neuron: Neuron, steps: number): PlanRequest => ({
  neuron, steps, gradients: [...neuron.inputs, ...Object.keys(neuron.params)], record: Object.keys(neuron.state), finalState: true,
});

describe("the assembler gives WABT's bytes", () => {
  it("of every built-in neuron, short and long", () => {
    for (const [, neuron] of builtIn) for (const steps of [4, 100]) expectSame(withGradients(neuron, steps));
  });

  it("of every operation, of other names, of parameters per channel", () => {
    for (const neuron of [everything, awkward, stateless, suffixed, wordy]) expectSame(withGradients(neuron, 70));
    expectSame({ ...withGradients(adaptiveLif, 9), params: { decay: "channel", rho: "channel" }, initialState: true });
  });

  it("of every format of spikes", () => {
    for (const spike of ["f32", "f16", "bf16", "u8", "bits"] satisfies SpikeFormat[]) expectSame({ neuron: lif(), steps: 40, outputs: { spike } });
  });

  it("of constants at the limits", () => {
    const values = ["-0", "inf", "-inf", "nan", "3.4028234663852886e+38", "1e-45", "1.4426950408889634", "16777217"];
    const integers = [0, 63, 64, -64, -65, 8191, 8192, -8192, -8193, 2147483647, -2147483648, 4294967295];
    const text = `(module (import "env" "memory" (memory 0 65536 shared)) (func (export "f") (param $p i32) (local $v v128) (local $n i32)
      ${values.map((value) => `(local.set $v (v128.const f32x4 ${value} 0 1 ${value}))`).join("\n")}
      ${integers.map((value) => `(local.set $n (i32.const ${value}))`).join("\n")}
      (v128.store offset=4294967280 (local.get $p) (v128.const i32x4 0x80000000 -1 4294967295 2147483647))))`;
    expect(Buffer.from(assemble("limits", text)).equals(reference(text))).toBe(true);
  });
});

it.each([
  ["(module (func (i32.nonsense)))", /no instruction i32\.nonsense/],
  ["(module (func (local.get $x)))", /\$x is not declared/],
  ["(module (func (br $out)))", /no label \$out/],
  ["(module (func)", /not closed/],
  ["(module))", /none opened/],
])("refuses %s", (text, message) => {
  expect(() => assemble("broken", text)).toThrow(SpikefoldError);
  expect(() => assemble("broken", text)).toThrow(message);
});
