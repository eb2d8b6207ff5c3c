import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { exportPython } from "../../src/python/index.ts";
import { lif } from "../../src/neuron/index.ts";
import { spikefold } from "./spikefold.ts";

const folder = mkdtempSync(join(tmpdir(), "spikefold-export-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("spikefold export", () => {
  it("writes what exportPython returns, to standard output or a file", async () => {
    const source = exportPython(lif(), { to: "jax" });
    expect(await spikefold(["export", "lif", "--to", "jax"])).toEqual({ code: 0, stdout: source, stderr: "" });
    expect(await spikefold(["export", "lif", "--to", "jax", "--out", "lif.py"], { cwd: folder })).toEqual({ code: 0, stdout: "lif.py: lif for jax\n", stderr: "" });
    expect([readdirSync(folder), readFileSync(join(folder, "lif.py"), "utf8")]).toEqual([["lif.py"], source]);
    expect(JSON.parse((await spikefold(["export", "lif", "--to", "jax", "--json"])).stdout)).toEqual({ neuron: "lif", to: "jax", source });
  });

  it.each([
    [["export", "lif"], /export needs --to: jax or pytorch/], [["export", "lif", "--to", "pytoch"], /did you mean pytorch\?/],
    [["export", "--to", "jax"], /which neuron\?/], [["export", "lef", "--to", "jax"], /did you mean lif\?/],
  ])("refuses %j", async (args, message) => {
    const { code, stdout, stderr } = await spikefold(args);
    expect([code, stdout, stderr]).toEqual([2, "", expect.stringMatching(message)]);
  });

  it("says what cannot be written", async () => {
    const { code, stderr } = await spikefold(["export", "lif", "--to", "jax", "--out", join(folder, "nowhere", "lif.py")]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/lif\.py cannot be written: .*ENOENT/)]);
  });
});
