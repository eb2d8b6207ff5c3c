import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { moduleNames, pythonName } from "../../../src/codegen/python/names.ts";
import { plan } from "../../../src/fusion/plan.ts";
import { defineNeuron, lif, spike, surrogate } from "../../../src/neuron/index.ts";
import { neurons } from "../../../src/neuron/library/index.ts";
import { exportPython, type PythonTarget } from "../../../src/python/index.ts";
import { adaptiveLif, awkward, builtIn, everything, further, stateless, suffixed, wordy } from "../../conformance/neurons.ts";
import { temporaryFolder } from "./cases.ts";

const targets = ["jax", "pytorch"] as const satisfies PythonTarget[];
const hasPython = spawnSync("python3", ["--version"]).status === 0;
const odd = [adaptiveLif, awkward, everything, stateless, suffixed, wordy];

describe("a neuron in Python", () => {
  it.skipIf(!hasPython)(`is a program of the language, for every neuron${hasPython ? "" : " (skipped: there is no python3)"}`, () => {
    const folder = temporaryFolder();
    const all = [...Object.values(neurons).map((make) => make()), ...[...builtIn, ...further].map(([, neuron]) => neuron), ...odd];
    const files = all.flatMap((neuron, i) => targets.map((to) => {
      const file = join(folder, `neuron_${i}_${to}.py`);
      writeFileSync(file, exportPython(neuron, { to }));
      return file;
    }));
    const { status, stderr } = spawnSync("python3", ["-W", "error", "-m", "py_compile", ...files], { encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
  });

  it.each(targets)("has the text that it had: %s", async (to) => {
    await expect(exportPython(adaptiveLif, { to })).toMatchFileSnapshot(`../snapshots/adaptiveLif-${to}.py`);
  });

  it("is called as in its definition, and never what Python or a library knows", () => {
    expect(moduleNames("lif")).toEqual({ function: "lif", layer: "Lif", cell: "LifCell" });
    expect(moduleNames("Lif")).toEqual({ function: "Lif", layer: "LifLayer", cell: "LifLayerCell" });
    expect(moduleNames("torch").function).toBe("torch_");
    expect(["beta", "lambda", "lambda_", "forward", "state"].map(pythonName)).toEqual(["beta", "lambda_", "lambda__", "forward_", "state_"]);
    const text = exportPython(defineNeuron({
      name: "sum", state: { if: 0 }, params: { lambda: 0.5 },
      step: (s, { x }, { lambda }) => ({ spike: spike(s.if.sub(1), surrogate.atan()), if: s.if.mul(lambda).add(x) }),
    }), { to: "pytorch" });
    expect(text).toContain("def sum_(x, state=None, *, lambda_=0.5,");
    expect(text).toContain("def forward(self, x, if_=None):");
  });

  it("has one step, from the plan: what it reads, once in each function", () => {
    for (const to of targets) {
      const text = exportPython(lif({ decayInput: false, tau: 3 }), { to });
      const [, step] = /def _step\(([\s\S]*?)\n\n\n/.exec(text)!;
      expect(step.match(/>=/g)).toHaveLength(1);
    }
  });

  it("is another operator when it is another text", () => {
    const operator = (tau: number): string => /OPERATOR = "spikefold::(\w+)"/.exec(exportPython(lif({ tau }), { to: "pytorch" }))![1];
    expect(operator(2)).toBe(operator(2));
    expect(operator(2)).not.toBe(operator(3));
  });

  it("is refused for what is no neuron", () => {
    const refused = (given: unknown) => expect(() => exportPython(given as never, { to: "jax" })).toThrow(/exportPython: neuron is .*: expected a neuron/);
    refused(lif);
    refused(plan({ neuron: lif(), steps: 4 }));
    expect(() => exportPython(lif(), { to: "tensorflow" as never })).toThrow(/to is "tensorflow": expected "jax" or "pytorch"/);
  });
});
