import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { lif } from "../../../src/neuron/index.ts";
import { exportPython } from "../../../src/python/index.ts";
import { root } from "../../built.ts";
import { fencedBlocks } from "../../docs/snippets.ts";
import { describeWithPython, runPython } from "../../python.ts";
import { temporaryFolder } from "./cases.ts";

const programs = fencedBlocks(readFileSync(join(root, "docs/python.md"), "utf8")).filter(({ language }) => language === "python");

/** Runs the guide's program of a library beside the files that the guide has the command write. */
function run(isJax: boolean): Promise<string> {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "lif.py"), exportPython(lif(), { to: "pytorch" }));
  writeFileSync(join(folder, "lif_jax.py"), exportPython(lif(), { to: "jax" }));
  const [program] = programs.filter(({ marks }) => marks.includes("jax") === isJax);
  writeFileSync(join(folder, "program.py"), program.code);
  return runPython([join(folder, "program.py")]);
}

describeWithPython("the guide's program for PyTorch", ["torch"], () => {
  it("runs", async () => expect(await run(false)).toBe(""));
});

describeWithPython("the guide's program for JAX", ["jax"], () => {
  it("runs", async () => expect(await run(true)).toBe("True (8, 16, 32) (2, 8, 16, 32)\n"));
});
