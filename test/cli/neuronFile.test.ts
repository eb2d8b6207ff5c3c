import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { root, runScript } from "../built.ts";
import { spikefold } from "./spikefold.ts";

const definition = `defineNeuron({
  name: "mine", state: { u: 0 }, params: { k: 0.5 },
  step({ u }, { x }, { k }) { const h = u.mul(k).add(x); const s = spike(h.sub(1), surrogate.atan()); return { spike: s, u: h.sub(s) }; },
})`;
const imports = 'import { defineNeuron, spike, surrogate } from "spikefold";\n';
const maker = `({ defineNeuron, spike, surrogate }) => ${definition}`;

const files: Record<string, string> = {
  "made.mjs": `export default ${maker};`,
  "promised.mjs": `export const promised = async (spikefold) => (${maker})(spikefold);`,
  "several.mjs": `export const a = (library) => library.lif();\nexport const b = ${maker};`,
  "none.mjs": "export const options = {};",
  "empty.mjs": "",
  "number.mjs": "export default 5;",
  "undefined.mjs": "export default () => {};",
  "syntax.mjs": "const a = 1;\nconst b = [;\n",
  "throws.mjs": '\n\nthrow new Error("no such luck");',
  "throws-text.mjs": 'throw "nothing";',
  "lonely.mjs": `${imports}export default ${definition};`,
  "silent.mjs": 'export default ({ defineNeuron }) =>\n  defineNeuron({ name: "silent", state: { v: 0 }, step: () => ({ spike: 0, v: 0 }) });',
  "copy.mjs": 'export default { name: "copy", state: {}, inputs: ["x"], params: {}, next: { spike: {} }, step() {} };',
  "missing.mjs": 'import "./nowhere.mjs";',
};

let directory: string;
/** Inside the project, where the package can be imported by its name. */
let inside: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "spikefold-neuron-"));
  inside = await mkdtemp(join(root, "test", "cli", ".neuron-"));
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  await mkdir(join(directory, "folder.mjs"));
  await writeFile(join(inside, "imported.mjs"), `${imports}export const other = 3;\nexport const mine = ${definition};`);
  await writeFile(join(inside, "old.mjs"), 'import { noSuchThing } from "spikefold";');
});
afterAll(() => Promise.all([directory, inside].map((path) => rm(path, { recursive: true, force: true }))));

/** What each of the files is, by the built module in one process of its own, as the command would load them: a neuron's name, or an error. */
let found: Record<string, string>;
beforeAll(async () => {
  const given = ["made.mjs", "promised.mjs", "./several.mjs#b", "made.mjs#default", join(inside, "imported.mjs"), join(inside, "old.mjs"), ...refused.map(([file]) => file)];
  await writeFile(join(directory, "look.mjs"), `
    const { neuronFromFile } = await import(${JSON.stringify(pathToFileURL(join(root, "dist/cli/neuronFile.js")).href)});
    const found = {};
    for (const given of ${JSON.stringify(given)}) found[given] = await neuronFromFile(given).then(({ name }) => name, ({ name, message }) => \`\${name}: \${message}\`);
    console.log(JSON.stringify(found));`);
  found = JSON.parse(await runScript("look.mjs", { cwd: directory }));
});

const refused: [string, RegExp][] = [
  ["nowhere.mjs", /there is no file nowhere\.mjs/],
  ["folder.mjs", /folder\.mjs is no file/],
  ["none.mjs", /none\.mjs exports no neuron, but options: expected export default/],
  ["empty.mjs", /empty\.mjs exports no neuron: expected/],
  ["number.mjs", /its default export is 5: expected a neuron/],
  ["undefined.mjs", /its default export returns undefined: expected a neuron/],
  ["several.mjs", /write several\.mjs#a or several\.mjs#b/],
  ["several.mjs#bb", /no export bb: did you mean b\?/],
  ["syntax.mjs", /syntax\.mjs:2: SyntaxError/],
  ["throws.mjs", /throws\.mjs:3: Error: no such luck/],
  ["throws-text.mjs", /throws-text\.mjs throws "nothing"/],
  ["lonely.mjs", /imports spikefold, which is not there: npm install spikefold/],
  ["missing.mjs", /imports .*nowhere\.mjs, which is not there/],
  ["silent.mjs", /silent\.mjs:2: neuron silent never spikes/],
  ["copy.mjs", /another copy of Spikefold/],
];

describe("a neuron from a module", () => {
  it.each(["made.mjs", "promised.mjs", "./several.mjs#b", "made.mjs#default"])("%s is a neuron", (file) => expect(found[file]).toBe("mine"));

  it("may import the package, and be the only neuron among other exports", () => expect(found[join(inside, "imported.mjs")]).toBe("mine"));

  it.each(refused)("%s is refused with the reason", (file, message) => {
    expect(found[file]).toMatch(/^(FileFormat|Neuron)Error: /);
    expect(found[file]).toMatch(message);
  });

  it("that asks for what the package does not have is refused by its name", () => {
    expect(found[join(inside, "old.mjs")]).toMatch(/^FileFormatError: .*old\.mjs.*noSuchThing/);
  });

  it("is planned, emitted and simulated, with the states that it has", async () => {
    const call = async (...args: string[]) => (await spikefold(args, { cwd: directory })).stdout;
    expect(JSON.parse(await call("plan", "made.mjs", "--json"))).toMatchObject({ neuron: "mine", states: ["u"] });
    expect(JSON.parse(await call("kernel", "made.mjs", "--json"))).toMatchObject({ neuron: "mine", target: "wasm", kernel: "forward", source: expect.stringContaining("(module") });
    const args = ["simulate", "made.mjs", "--steps", "12", "--neurons", "2"];
    const { spikes, states } = JSON.parse(await call(...args, "--json"));
    expect([spikes.length, spikes[0].length, Object.keys(states), states.u[1].length]).toEqual([2, 12, ["u"], 12]);
    expect(await call(...args)).toMatch(/\n {3}u [▁-█]{12} {2}neuron 0, -?\d/);
  });

  it("that is wrong ends the command with one line", async () => {
    const { code, stdout, stderr } = await spikefold(["plan", "throws.mjs"], { cwd: directory });
    expect([code, stdout, stderr]).toEqual([1, "", "spikefold: plan: throws.mjs:3: Error: no such luck\n"]);
  });
});
