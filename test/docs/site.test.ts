import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Application, LogLevel } from "typedoc";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { root } from "../built.ts";
import { occasionally } from "../sample.ts";

let out: string;
beforeAll(async () => void (out = await mkdtemp(join(tmpdir(), "spikefold-site-"))));
afterAll(() => rm(out, { recursive: true, force: true }));

describe("the site", () => {
  occasionally("has every guide and every export, without a warning", { timeout: 120_000 }, async () => {
    const said: string[] = [];
    const typedoc = await Application.bootstrapWithPlugins({ options: join(root, "typedoc.json"), out });
    typedoc.logger.log = (message, level) => void (level >= LogLevel.Warn && said.push(message));
    const project = await typedoc.convert();
    typedoc.validate(project!);
    await typedoc.generateOutputs(project!);
    expect(said).toEqual([]);

    const guides = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md")).map((name) => `docs_${name.replace(".md", ".html")}`);
    expect(readdirSync(join(out, "documents"))).toEqual(expect.arrayContaining(guides));
    for (const page of ["functions/spikefold.simulate.html", "classes/spikefold.Trainer.html", "interfaces/spikefold.FitOptions.html"]) expect(existsSync(join(out, page)), page).toBe(true);
    expect(existsSync(join(out, "assets/search.js"))).toBe(true);
    expect(readFileSync(join(out, "index.html"), "utf8")).toContain("playground/index.html");
  });
});
