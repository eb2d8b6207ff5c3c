import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isBuilt, needsBuild, root } from "../built.ts";
import { programs } from "../docs/snippets.ts";
import { sample } from "../sample.ts";
import { createProject, type Project } from "./project.ts";

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const readme = readFileSync(join(root, "README.md"), "utf8");

/** Uses each entry; a name of the wrong type in it is one error, which shows that types are there. */
const strict = `
import { adam, defineNeuron, lif, linear, loadMnist, Model, openDevice, Random, rate, sequential, simulate, spike, spiking, surrogate, Trainer, type Device } from "spikefold";
import { fusedJax, toJax } from "spikefold/jax";
import { CudaDevice } from "spikefold/cuda";
import { exportPython } from "spikefold/python";

const mine = defineNeuron({
  name: "mine", state: { v: 0 }, params: { decay: 0.5 },
  step({ v }, { x }, { decay }) {
    const h = v.mul(decay).add(x);
    const s = spike(h.sub(1), surrogate.atan());
    return { spike: s, v: h.sub(s) };
  },
});
export async function main(): Promise<number> {
  const device: Device = await openDevice("cpu");
  const { spikes } = await simulate(mine, new Float32Array(10), { steps: 10, device });
  const model = Model.build(sequential(linear(784, 2), spiking(lif()), rate()), { device, inputShape: [784], steps: 3, random: new Random(0) });
  const trainer = new Trainer(model, { optimizer: adam({ lr: 1e-3 }) });
  await trainer.fit(await loadMnist({ split: "train" }), { epochs: 1 });
  await device.dispose();
  return spikes[0];
}
export const others = [fusedJax, toJax, CudaDevice];
export const wrong: string = main();
`;

describe.skipIf(!isBuilt)(needsBuild("the packed package in an empty project"), () => {
  let project: Project;
  beforeAll(async () => void (project = await createProject()));
  afterAll(() => project?.close());

  it("is small, and holds what it should", () => {
    expect(project.packedBytes).toBeLessThan(900_000);
    for (const file of ["README.md", "LICENSE", "CHANGELOG.md", "package.json", "dist/index.js", "dist/index.d.ts", "dist/cli/main.js"]) expect(project.packedFiles).toContain(file);
    expect(project.packedFiles.filter((file) => !/^(dist\/.*\.(js|d\.ts)|[A-Z]+\.md|LICENSE|package\.json)$/.test(file))).toEqual([]);
  });

  it("runs the README's first program as it stands there", { timeout: 120_000 }, async () => {
    const [packages] = [...readme.matchAll(/^ {4}npm install (.+)$/gm)].map(([, names]) => names.split(" "));
    expect(packages).toContain("spikefold");
    for (const name of packages.slice(1)) await project.add(name);
    await project.write("neuron.mjs", programs(readme)[0].code);
    expect(await project.node("neuron.mjs")).toMatch(/accuracy/);
  });

  it("has each of its entries, and its own description", async () => {
    for (const entry of Object.keys(manifest.exports).filter((each) => !each.endsWith(".json"))) {
      expect(Number(await project.node("-p", `import("${join(manifest.name, entry)}").then((all) => console.log(Object.keys(all).length)), ""`))).toBeGreaterThan(0);
    }
    expect(await project.node("-p", 'require("spikefold/package.json").version')).toBe(`${manifest.version}\n`);
  });

  it("has the command", async () => {
    expect(await project.command("--version")).toBe(`${manifest.version}\n`);
    expect(await project.command("simulate", "lif", "--json")).toMatch(/^\{/);
  });

  it("prepares nothing where its sources are not", async () => {
    const { stdout, stderr } = await promisify(execFile)("npm", ["run", "-s", "prepare"], { cwd: join(project.directory, "node_modules/spikefold") });
    expect(stdout + stderr).toBe("");
  });

  const settings = ["NodeNext", "ESNext"].flatMap((module) => [["ES2022"], ["ES2022", "DOM"], ["ESNext", "DOM"]].map((lib) => ({ module, lib })));
  it.each(sample(settings, 1))("has types that hold, all of them, for modules as $module and the library $lib", { timeout: 120_000 }, async ({ module, lib }) => {
    await project.write("strict.ts", strict);
    const compilerOptions = { strict: true, skipLibCheck: false, noEmit: true, target: "ES2022", module, moduleResolution: module === "ESNext" ? "Bundler" : module, lib, types: [] };
    await project.write("tsconfig.json", JSON.stringify({ compilerOptions, files: ["strict.ts"] }));
    const said = await project.node(join(root, "node_modules/typescript/bin/tsc")).catch((error: Error) => error.message);
    expect(said.split("\n").filter((line) => line.includes("error TS"))).toEqual([expect.stringMatching(/^strict\.ts\(\d+,14\): error TS2322: Type 'Promise<number>' is not assignable to type 'string'/)]);
  });
});
