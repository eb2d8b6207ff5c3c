import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ModuleKind, ScriptTarget, transpileModule } from "typescript";
import { commands } from "../../src/cli/commands/index.ts";
import { isBuilt, needsBuild, root, runScript } from "../built.ts";
import { commandLines, optionsInTables, programs } from "./snippets.ts";
import { sample } from "../sample.ts";

const files = ["README.md", ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`)].filter((file) => file.endsWith(".md") && existsSync(join(root, file)));
const texts = files.map((file) => [file, readFileSync(join(root, file), "utf8")] as const);

/** Inside the project, so that the package can be imported by its name. */
let directory: string;
beforeAll(async () => void (directory = await mkdtemp(join(root, "test", "docs", ".snippets-"))));
afterAll(() => rm(directory, { recursive: true, force: true }));

const javascript = (code: string): string => transpileModule(code, { compilerOptions: { module: ModuleKind.ESNext, target: ScriptTarget.ES2022 } }).outputText;

describe("the code in the documentation runs", () => {
  const all = texts.flatMap(([file, text]) => programs(text).map((program) => [`${file}:${program.line}`, program] as const));
  it.skipIf(!isBuilt).each(sample(all, 8))(needsBuild("%s"), async (name, { language, code }) => {
    const file = join(directory, `${name.replace(/\W+/g, "-")}.mjs`);
    await writeFile(file, language === "ts" ? javascript(code) : code);
    await runScript(file, { cwd: directory, timeout: 30_000, env: { TMPDIR: directory } });
  });
});

describe("the command lines in the documentation exist", () => {
  const usages = Object.fromEntries(commands.map(({ name, usage }) => [name, usage]));
  /** What `launch` runs, where there is a -- before it. */
  const launched = (call: string[]): string[] => (call[0] === "launch" && call.includes("--") ? call.slice(call.indexOf("--") + 1) : call);
  const isIn = (usage: string, option: string): boolean => new RegExp(`${option}(?![\\w-])`).test(usage);
  const all = texts.flatMap(([file, text]) => commandLines(text).map(({ line, args }) => [`${file}:${line}: ${args.join(" ")}`, args] as const));
  it.each(all)("%s", (_, call) => {
    const [command, ...args] = launched(call);
    if (command === "help" || command.startsWith("--") || command.endsWith(".mjs")) return;
    expect(Object.keys(usages)).toContain(command);
    for (const option of args.flatMap((arg) => /^\[?(--[\w-]+)/.exec(arg)?.[1] ?? [])) expect(isIn(usages[command], option), option).toBe(true);
  });

  it.each(texts.map(([file, text]) => [file, optionsInTables(text)] as const).filter(([, options]) => options.length > 0))("%s: options in tables", (_, options) => {
    for (const option of options) expect(Object.values(usages).some((usage) => isIn(usage, option)), option).toBe(true);
  });
});

describe("the links in the documentation lead somewhere", () => {
  const links = texts.flatMap(([file, text]) => [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => [file, target] as const)).filter(([, target]) => !/^[a-z]+:/.test(target));
  it.each(links)("%s: %s", (file, target) => {
    const [path, anchor] = target.split("#");
    const linked = path === "" ? join(root, file) : join(root, file, "..", path);
    expect(existsSync(linked)).toBe(true);
    if (!anchor) return;
    const headings = [...readFileSync(linked, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, title]) => title.toLowerCase().replace(/[^\w\s-]/g, "").replace(/\s/g, "-"));
    expect(headings).toContain(anchor);
  });
});
