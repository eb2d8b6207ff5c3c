import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Case, count, nvccBuild } from "../../bench/sass.mjs";
import { emitCudaKernels } from "../../src/codegen/cuda/emit.ts";
import { prelude } from "../../src/codegen/cuda/prelude.ts";
import { shapeOf } from "../../src/device/cuda/shape.ts";
import * as spikefold from "../../src/index.ts";
import { sample } from "../sample.ts";

type Row = Case & Awaited<ReturnType<typeof count>>[number];

const table = JSON.parse(readFileSync(new URL("../../bench/results/cuda-sass.json", import.meta.url), "utf8")) as { nvcc: string; kernels: Row[] };
const build = spawnSync("nvcc", ["--version"]).status === 0 ? await nvccBuild() : null;
const why = build === null ? "there is no nvcc" : build !== table.nvcc ? `this is nvcc ${build}, the table is of ${table.nvcc}` : null;

describe.skipIf(why !== null)(`the CUDA kernels' instructions${why === null ? "" : ` (skipped: ${why})`}`, () => {
  it("are at most a tenth more than bench/results/cuda-sass.json says", async () => {
    const rows = sample(table.kernels, 4);
    const found = await count(rows, { ...spikefold, emitCudaKernels, prelude, shapeOf } as never);
    const grown = found.filter((row, i) => row.instructions > 1.1 * rows[i].instructions || row.perNeuronStep > 1.1 * rows[i].perNeuronStep);
    expect(grown.map((row) => ({ ...row, before: rows[found.indexOf(row)] }))).toEqual([]);
  }, 240_000);

  it("are at most 36 a step and neuron of LIF at T = 32, with the sigmoid", () => {
    const rows = table.kernels.filter(({ neuron, T, direction }) => neuron === "lif" && T === 32 && direction === "backward");
    expect(rows).toHaveLength(2);
    for (const { perNeuronStep } of rows) expect(perNeuronStep).toBeLessThan(36);
  });
});
