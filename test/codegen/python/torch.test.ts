import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { reservedNames } from "../../../src/codegen/python/names.ts";
import { izhikevich, leaky, lif, parametricLif, surrogate, synaptic } from "../../../src/neuron/index.ts";
import { neurons } from "../../../src/neuron/library/index.ts";
import { adaptiveLif, awkward, everything, stateless, suffixed, wordy } from "../../conformance/neurons.ts";
import { describeWithPython, runPython } from "../../python.ts";
import { failuresOf, writeCases } from "./cases.ts";

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const odd = { adaptiveLif, everything, stateless, awkward, suffixed };
const few = { lif: lif({ surrogate: surrogate.atan() }), parametricLif: parametricLif(), izhikevich: izhikevich(), leaky: leaky({ reset: "zero" }), adaptive: adaptiveLif, everything, stateless, suffixed };

describeWithPython("a PyTorch module", ["torch", "numpy"], () => {
  it.each([
    ["every built-in neuron", Object.fromEntries(Object.entries(neurons).map(([name, make]) => [name, make()])), [1, 8, 33]],
    ["operations and names of all kinds", odd, [1, 8, 33]],
    ["words of every language", { wordy }, [8]],
    ["long runs", { lif: few.lif, synaptic: synaptic(), adaptive: adaptiveLif }, [200]],
  ])("computes what our kernels do: %s", async (_, cases, lengths) => {
    expect(failuresOf(await runPython([script("check_torch.py"), writeCases("pytorch", cases, lengths)]), cases, lengths)).toEqual([]);
  });

  it("is a part of PyTorch: its gradients, compiler, transforms and types", async () => {
    const printed = await runPython([script("features_torch.py"), writeCases("pytorch", { adaptiveLif }, []), [...reservedNames].join(",")]);
    expect(printed.trim().split("\n").map((line) => line.replace(/^ok /, ""))).toEqual([
      "gradient_of_a_plain_loop", "torch_compile", "functional_transforms", "narrow_types", "windows_and_steps", "parameters_of_images_and_neurons", "operators", "refusals", "names",
    ]);
  });
});

describeWithPython("the Triton kernels", ["torch", "triton", "numpy"], () => {
  it.each([["pieces and parts of pieces", few, [1, 8, 33]], ["long runs", { lif: few.lif, adaptive: adaptiveLif }, [200]]])("compute what our kernels do, in Triton's interpreter: %s", async (_, cases, lengths) => {
    expect(failuresOf(await runPython([script("check_torch.py"), writeCases("pytorch", cases, lengths)], { TRITON_INTERPRET: "1" }), cases, lengths)).toEqual([]);
  });

  it("keep a piece of the trajectory in registers, and round every operation", async () => {
    const folder = writeCases("pytorch", { adaptiveLif, lif: few.lif }, []);
    const kernels = (await runPython([script("compile_triton.py"), folder, "90"], { TRITON_CACHE_DIR: join(folder, "cache") })).trim().split("\n").map((line) => JSON.parse(line));
    expect(kernels).toHaveLength(6);
    for (const { spills, contractions, registers } of kernels) expect([spills, contractions, registers <= 255]).toEqual([0, 0, true]);
    // Four neurons a thread are one access of 16 bytes.
    for (const { kernel, K, wideLoads } of kernels) expect(wideLoads > 0).toBe(kernel === "_forward_kernel" || K === 8);
  });
});
