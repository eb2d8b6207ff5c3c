import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { leaky, lif, parametricLif, surrogate, synaptic } from "../../../src/neuron/index.ts";
import { neurons } from "../../../src/neuron/library/index.ts";
import { adaptiveLif, everything, stateless, suffixed } from "../../conformance/neurons.ts";
import { describeWithPython, runPython } from "../../python.ts";
import { failuresOf, writeCases } from "./cases.ts";

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const lifAtan = lif({ surrogate: surrogate.atan() });
const checks = ["gradient_of_a_plain_scan", "vmap", "windows", "constants_under_jit", "narrow_types", "lowering", "refusals"];
const names = (printed: string): string[] => printed.trim().split("\n").map((line) => line.replace(/^ok /, ""));

describeWithPython("a JAX module", ["jax", "numpy"], () => {
  it.each([
    ["neurons and lengths", { lif: lifAtan, parametricLif: parametricLif(), synaptic: synaptic(), leaky: leaky({ reset: "zero" }), everything, suffixed }, [1, 33]],
    ["long runs", { lif: lifAtan, adaptive: adaptiveLif }, [8, 200]],
  ])("computes what our kernels do, by lax.scan: %s", async (_, cases, lengths) => {
    expect(failuresOf(await runPython([script("check_jax.py"), writeCases("jax", cases, lengths), "scan"]), cases, lengths)).toEqual([]);
  });

  it("computes in 32 bits where JAX has 64 too", async () => {
    const cases = { lif: lifAtan, refractory: neurons.refractoryLif() };
    expect(failuresOf(await runPython([script("check_jax.py"), writeCases("jax", cases, [8]), "scan"], { JAX_ENABLE_X64: "1" }), cases, [8])).toEqual([]);
  });

  it("is a part of JAX: its gradients, transformations and types", async () => {
    expect(names(await runPython([script("features_jax.py"), writeCases("jax", { adaptiveLif }, []), "auto"]))).toEqual(checks);
  });
});

describeWithPython("a JAX module's Triton kernels, by a stand-in for jax-triton", ["jax", "torch", "triton", "numpy"], () => {
  const env = { TRITON_INTERPRET: "1", PYTHONPATH: fileURLToPath(new URL("stand-in", import.meta.url)) };

  it("compute what our kernels do", async () => {
    const [cases, lengths] = [{ lif: lifAtan, adaptive: adaptiveLif, everything, stateless }, [1, 33]];
    expect(failuresOf(await runPython([script("check_jax.py"), writeCases("jax", cases, lengths), "triton"], env), cases, lengths)).toEqual([]);
  });

  it("are under JAX's transformations, and lowered for a GPU alone", async () => {
    expect(names(await runPython([script("features_jax.py"), writeCases("jax", { adaptiveLif }, []), "triton"], env))).toEqual(checks);
  });
});
