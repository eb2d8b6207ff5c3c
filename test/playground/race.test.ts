import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { chromiumPath, needsChromium } from "../chromium.ts";
import { layoutShift, paleTexts, sidewaysOverflow } from "../train/report/measures.ts";
import { openSite, type Site, type Visit } from "./site.ts";
import { occasionally, sample } from "../sample.ts";

/** For what the page does when a shared machine lets it. */
const slow = { timeout: 15_000 };
const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });
const figure = (page: Page, name: string): Promise<number> => page.locator(`[data-figure=${name}]`).evaluate((dd) => parseFloat(dd.textContent!));
const state = (page: Page, name: string) => page.locator(`.race[data-state=${name}]`).waitFor({ timeout: 50_000 });

async function race(page: Page, neurons: string, start = "Race"): Promise<void> {
  await page.getByLabel("Neurons N").selectOption(neurons);
  await button(page, start).click();
  await page.locator(".race[data-state=running]").waitFor();
  await page.locator(".race:not([data-state=running])").waitFor({ timeout: 100_000 });
  expect(await page.locator(".race [role=alert]").textContent()).toBe("");
}

describe.runIf(chromiumPath)(needsChromium("the race panel"), () => {
  let site: Site;
  let visit: Visit;
  beforeAll(async () => { site = await openSite(); }, 90_000);
  afterAll(() => site?.close());
  afterEach(async () => {
    const { said } = visit;
    await visit.close();
    expect(said).toEqual([]);
  });

  it("shows how much faster fused is, and copies all that belongs to the result", async () => {
    visit = await site.open("#race", { permissions: ["clipboard-read", "clipboard-write"] });
    const { page } = visit;
    await expect.poll(() => page.locator(".race .where").textContent(), slow).toMatch(/: it runs on WebAssembly\.$/);
    await race(page, "4096");
    const speedup = await figure(page, "both");
    expect(speedup).toBeGreaterThan(1);
    expect(await figure(page, "forward")).toBeGreaterThan(1);
    expect(await figure(page, "rate")).toBeGreaterThan(0);
    expect(await figure(page, "firing")).toBeGreaterThan(1);
    expect(await page.locator(".race tbody tr").count()).toBe(2);
    expect(await page.locator("canvas.lanes").getAttribute("aria-label")).toMatch(/Forward and backward, step by step: [\d.]+ ms/);
    expect(await page.locator(".race .details").textContent()).toMatch(/WebAssembly.*Chrome \d+.*jax-js on wasm.*10 interleaved repetitions.*excluded/);

    await button(page, "Copy result").click();
    await expect.poll(() => page.locator(".race .side [role=status]").nth(1).textContent(), slow).toMatch(/on the clipboard/);
    const text = await page.evaluate(() => navigator.clipboard.readText());
    expect(text).toContain(`forward + backward: ${speedup >= 100 ? speedup.toFixed(0) : speedup.toFixed(1)}×`);
    const json = JSON.parse(text.slice(text.indexOf("\n{") + 1));
    expect(json).toMatchObject({ versions: { spikefold: /^\d/.exec(json.versions.spikefold) && json.versions.spikefold, "jax-js": "0.1.25" }, repetitions: 10, warmUp: 3, definition: "lif()" });
    expect(json.benches[0]).toMatchObject({ neuron: "lif", steps: 32, neurons: 4096 });
    expect(Math.abs(Date.parse(json.date) - Date.now())).toBeLessThan(60_000);
  });

  occasionally("races over several T, with another neuron", async () => {
    visit = await site.open("#race");
    const { page } = visit;
    await page.locator(".race").getByLabel("Neuron", { exact: true }).selectOption("leaky");
    await race(page, "1024", "T = 4 … 128");
    expect(await page.locator(".race tbody th[rowspan]").allTextContents()).toEqual(["4", "8", "16", "32", "64", "128"]);
  });

  occasionally("is stopped and begins again", async () => {
    visit = await site.open("#race");
    const { page } = visit;
    await page.getByLabel("Neurons N").selectOption("262144");
    await button(page, "Race").click();
    await button(page, "Stop").click();
    await state(page, "idle");
    await race(page, "1024");
  });

  it.each(sample([
    ["a mistake", "defineNeuron(", /Mend the definition/],
    ["two inputs", 'defineNeuron({ name: "two", state: { v: 0 }, inputs: ["x", "y"], step({ v }, { x, y }) { const h = v.add(x).add(y); return { spike: spike(h.sub(1), surrogate.atan()), v: h }; } })', /two has 2 inputs, one was expected/],
  ] as const, 1))("says what is wrong with a definition: %s", async (_, code, message) => {
    visit = await site.open(`#race?neuron=code&code=${encodeURIComponent(code)}`);
    const { page } = visit;
    await page.locator(".race").getByLabel("Neuron", { exact: true }).selectOption("bench");
    await button(page, "Race").click();
    await expect.poll(() => page.locator(".race [role=alert]").textContent(), slow).toMatch(message);
    await page.locator(".race").getByLabel("Neuron", { exact: true }).selectOption("lif");
    await race(page, "1024");
  });

  occasionally("stands still where people ask for it", async () => {
    visit = await site.open("#race", { reducedMotion: "reduce" });
    const { page } = visit;
    await race(page, "1024");
    const picture = (): Promise<string> => page.locator("canvas.lanes").evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL());
    const first = await picture();
    await page.waitForTimeout(300);
    expect(await picture()).toBe(first);
  });

  occasionally.each(sample([[1280, 800], [390, 844], [360, 640]] as const, 1))("holds still while it loads and fits at %i × %i", async (width, height) => {
    visit = await site.open("#race", { viewport: { width, height } });
    const { page } = visit;
    await expect.poll(() => page.locator(".race .where").textContent(), slow).not.toBe("");
    expect(await page.getByLabel("Neurons N").inputValue()).toBe(width < 500 ? "16384" : "65536");
    expect(await layoutShift(page)).toBeLessThan(0.01);
    await race(page, "1024");
    expect(await sidewaysOverflow(page)).toBe(0);
  });

  occasionally.each(sample(["light", "dark"] as const, 1))("is legible, %s", async (colorScheme) => {
    visit = await site.open("#race", { colorScheme });
    const { page } = visit;
    await race(page, "1024");
    expect(await paleTexts(page)).toEqual([]);
  });
});

describe.runIf(chromiumPath)(needsChromium("the race panel on WebGPU"), () => {
  let site: Site;
  beforeAll(async () => { site = await openSite({ webgpu: true }); }, 90_000);
  afterAll(() => site?.close());

  it("races on the GPU when asked, where that is software", { timeout: 120_000 }, async () => {
    const { page, said, close } = await site.open("#race");
    await expect.poll(() => page.locator("#machine").innerText(), slow).toContain("WebGPU");
    await expect.poll(() => page.locator(".race .where").textContent(), slow).toMatch(/^WebGPU is software here/);
    await page.locator(".race").getByLabel("Device", { exact: true }).selectOption("webgpu");
    await race(page, "4096");
    expect(await figure(page, "both")).toBeGreaterThan(1);
    expect(await figure(page, "rate")).toBeGreaterThan(0);
    expect(await page.locator(".race .details").textContent()).toMatch(/^webgpu: .*jax-js on webgpu, one launch a step/);
    await close();
    expect(said).toEqual([]);
  });
});
