import { join } from "node:path";
import { expect, it } from "vitest";
import { isBuilt, needsBuild, root } from "../built.ts";
import { chromiumPath, needsChromium } from "../chromium.ts";
import { directorySite, PAGE } from "./bundle.ts";
import { withSite } from "./harness.ts";

const SCRIPT = `
  import { lif, openDevice, simulate } from "./index.js";
  const device = await openDevice("cpu", { threads: crossOriginIsolated ? 2 : 1 });
  const { spikes } = await simulate(lif({ tau: 2, decayInput: false }), Float32Array.of(0.7, 0.7, 0.7), { steps: 3, device });
  document.title = spikes.join();
`;

it.skipIf(!chromiumPath || !isBuilt)(needsBuild(needsChromium("the built package runs in a page as it is, without a bundler")), async () => {
  const site = await directorySite(join(root, "dist"));
  site.set("/index.html", PAGE).set("/page.js", Buffer.from(SCRIPT));
  for (const isolated of [false, true]) {
    await withSite(site, { isolated }, async ({ page }) => {
      await page.waitForFunction(() => document.title !== "test");
      expect(await page.title()).toBe("0,1,0");
    });
  }
  const policy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src data:";
  await withSite(site, { isolated: true, policy }, async ({ page, problems }) => {
    await page.waitForFunction(() => document.title !== "test");
    expect(await page.title()).toBe("0,1,0");
    expect(problems.filter((problem) => !/worker.*blob:.*Content Security Policy/s.test(problem))).toEqual([]);
    problems.length = 0;
  });
});
