import { execFile } from "node:child_process";
import { access, copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isBuilt, needsBuild, root } from "../built.ts";
import { sample } from "../sample.ts";

let directory: string;

const spikefold = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  new Promise((resolve) => execFile(process.execPath, [join(root, "dist/cli/main.js"), ...args], { cwd: directory }, (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr })));

const dataIn = (page: string) => JSON.parse(/id="run-data">([\s\S]*?)<\/script>/.exec(page)![1]);
const file = (...path: string[]) => join(directory, ...path);
const read = (...path: string[]) => readFile(file(...path), "utf8");
const exists = (...path: string[]) => access(file(...path)).then(() => true, () => false);

describe.skipIf(!isBuilt)(needsBuild("spikefold report"), () => {
  const small = ["--limit", "64", "--batch", "32", "--steps", "4"];
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "spikefold-report-"));
    for (const [name, ...options] of [["one", "--epochs", "1"], ["two", "--epochs", "2", "--lr", "0.01"]]) {
      expect(await spikefold("train", "mnist", ...small, ...options, "--out", name)).toMatchObject({ code: 0 });
    }
  });
  afterAll(() => rm(directory, { recursive: true }));

  it("renders one run's report anew, from what the run left, without its data", async () => {
    const before = await read("one", "report.html");
    await rm(file("one", "report.html"));
    const { code, stdout, stderr } = await spikefold("report", "one");
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `report  ${join("one", "report.html")}\n`, stderr: "" });
    expect(await read("one", "report.html")).toBe(before);
    expect(dataIn(before)).toEqual(JSON.parse(await read("one", "report.json")));
    expect(dataIn(before)).toMatchObject({ training: { loss: "crossEntropy, of count" }, options: { lr: 0.002 } });
  });

  it("finds it out from the weights if asked, to the same numbers", async () => {
    const before = JSON.parse(await read("two", "report.json"));
    const { code, stderr } = await spikefold("report", "two", "--rebuild", "--out", "rebuilt.html");
    expect(code).toBe(0);
    expect(stderr).toMatch(/^device cpu/);
    const { stepTime: _, environment: __, notes, ...rebuilt } = dataIn(await read("rebuilt.html"));
    expect(before).toMatchObject(rebuilt);
    expect(notes).toEqual([expect.stringMatching(/made this report/)]);
    expect(JSON.parse(await read("two", "report.json"))).toEqual(before);
  });

  it("tests what was trained in a precision that the device does not have in another one, if asked", async () => {
    await cp(file("one"), file("rounded"), { recursive: true });
    const manifest = JSON.parse(await read("one", "run.json"));
    await writeFile(file("rounded", "run.json"), JSON.stringify({ ...manifest, notes: { ...manifest.notes, precision: "bfloat16" } }));
    for (const command of [["evaluate"], ["report", "--rebuild"]]) {
      const refused = await spikefold(...command, "rounded");
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/trained in bfloat16: cpu computes in float32 only.*With --precision float32/) });
      expect(await spikefold(...command, "rounded", "--precision", "float32")).toMatchObject({ code: 0 });
    }
  });

  it("reports a run that has only a checkpoint, and says so", async () => {
    await mkdir(file("half"));
    const manifest = JSON.parse(await read("two", "run.json"));
    const { checkpoint } = manifest.files;
    await writeFile(file("half", "run.json"), JSON.stringify({ ...manifest, state: "training", files: { checkpoint } }));
    await copyFile(file("two", checkpoint.name), file("half", checkpoint.name));
    expect(await spikefold("report", "half")).toMatchObject({ code: 0 });
    const { notes, epochs, confusion } = dataIn(await read("half", "report.html"));
    expect(notes).toContainEqual(expect.stringMatching(/not finished/));
    expect(epochs).toHaveLength(2);
    expect(confusion.flat().reduce((a: number, b: number) => a + b)).toBe(64);
    // The next checkpoint would make it untrue.
    expect(await exists("half", "report.json")).toBe(false);
  });

  it("lays several runs side by side", async () => {
    const { code, stdout } = await spikefold("report", "one", "two", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ report: "comparison.html", runs: ["one", "two"] });
    const page = await read("comparison.html");
    expect(dataIn(page).map(({ name }: { name: string }) => name)).toEqual(["one", "two"]);
    expect(page).toMatch(/<th scope="row">lr<\/th><td>0\.002<\/td><td>0\.01<\/td>/);
    expect(page).not.toMatch(/<th scope="row">batch<\/th>/);
  });

  it.each(sample<[string, string[], number, RegExp]>([
    ["no run", [], 2, /name the directory of a run/],
    ["a run that is not there", ["nowhere"], 1, /nowhere.*run\.json is missing/],
    ["a run twice", ["one", "./one"], 2, /\.\/one is named twice/],
    ["a page in a directory that is not there", ["one", "--out", "no/where.html"], 1, /no\/where|no such file/],
    ["an unknown option", ["one", "--fast"], 2, /--fast/],
  ], 2))("answers %s with one clear line, and writes nothing", async (_, args, code, message) => {
    const before = await readdir(directory, { recursive: true });
    const ended = await spikefold("report", ...args);
    expect({ code: ended.code, stdout: ended.stdout }).toEqual({ code, stdout: "" });
    expect(ended.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(ended.stderr).toMatch(message);
    expect(await readdir(directory, { recursive: true })).toEqual(before);
  });

  it("refuses a damaged report.json by name", async () => {
    await writeFile(file("one", "report.json"), "{");
    const ended = await spikefold("report", "one");
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/one.report\.json has 1 bytes, run\.json says \d+/);
  });
});
