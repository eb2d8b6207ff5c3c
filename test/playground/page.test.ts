import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { chromiumPath, needsChromium } from "../chromium.ts";
import { layoutShift, paleTexts, sidewaysOverflow } from "../train/report/measures.ts";
import { firingRate, openSite, type Site, type Visit } from "./site.ts";
import { sample } from "../sample.ts";

let site: Site;
let visit: Visit;

const panels = ["neuron", "kernels"];

describe.runIf(chromiumPath)(needsChromium("the page"), () => {
  beforeAll(async () => { site = await openSite(); }, 60_000);
  afterAll(() => site?.close());
  afterEach(async () => {
    const { said } = visit;
    await visit.close();
    expect(said).toEqual([]);
  });

  it.each(sample(panels.flatMap((panel) => [[panel, 1280, 800], [panel, 390, 844], [panel, 360, 640]] as const), 1))("holds still while it loads: #%s at %i × %i", async (panel, width, height) => {
    visit = await site.open(`#${panel}`, { viewport: { width, height } });
    const { page } = visit;
    if (panel === "neuron") {
      await firingRate(page);
      if (width > 640) await page.locator(".cm-content").waitFor();
      else await page.waitForTimeout(300);
    } else await page.locator("#kernel-source span").first().waitFor();
    expect(await layoutShift(page)).toBeLessThan(0.01);
    expect(await sidewaysOverflow(page)).toBe(0);
  });

  it("is ready within a second on this machine", async () => {
    visit = await site.open("", {}, (page) => page.addInitScript(() => {
      new MutationObserver((_, observer) => {
        if (!/\d/.test(document.querySelector(".figures dd")?.textContent ?? "")) return;
        performance.mark("first result");
        observer.disconnect();
      }).observe(document, { childList: true, subtree: true });
    }));
    const times: number[] = [];
    // A shared machine may be busy with others at one time, hardly at all five.
    while (times.length < 5 && Math.min(...times) >= 1000) {
      await firingRate(visit.page);
      times.push(await visit.page.evaluate(() => performance.getEntriesByName("first result")[0].startTime));
      await visit.page.locator(".cm-content").waitFor();
      await visit.page.reload();
    }
    await firingRate(visit.page);
    expect(Math.min(...times)).toBeLessThan(1000);
  });

  it("loads little before it is ready", () => {
    const html = readFileSync(join(site.files, "index.html"), "utf8");
    const first = [...html.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map(([, path]) => path);
    const sizes = first.map((path) => gzipSync(readFileSync(join(site.files, path))).length);
    expect(first.length).toBeGreaterThan(1);
    expect(sizes.reduce((a, b) => a + b)).toBeLessThan(20_000);
  });

  it("does not load the editor's and the devices' code to show a neuron", async () => {
    const asked: string[] = [];
    visit = await site.open("", { viewport: { width: 390, height: 844 } }, async (page) => { page.on("request", (request) => asked.push(new URL(request.url()).pathname)); });
    await firingRate(visit.page);
    await visit.page.waitForTimeout(500);
    const texts = asked.filter((path) => path.endsWith(".js")).map((path) => readFileSync(join(site.files, path), "utf8"));
    expect(texts.length).toBeGreaterThan(2);
    expect(texts.filter((text) => /parseWat|cm-editor/.test(text))).toEqual([]);
    expect(texts.reduce((sum, text) => sum + text.length, 0)).toBeLessThan(400_000);
  });

  it("says what the machine offers", async () => {
    visit = await site.open();
    await expect.poll(() => visit.page.locator("#machine").innerText()).toMatch(/(no WebGPU: runs on WebAssembly|WebGPU: .+)\s+\d+ threads?\s+isolated/);
  });

  it("says that one thread computes where threads cannot share memory", async () => {
    visit = await site.open("", {}, (page) => page.route(site.url, async (route) => {
      const response = await route.fetch();
      const headers = Object.fromEntries(Object.entries(response.headers()).filter(([name]) => !name.startsWith("cross-origin")));
      await route.fulfill({ response, headers });
    }));
    const cores = await visit.page.evaluate(() => navigator.hardwareConcurrency);
    await expect.poll(() => visit.page.locator("#machine").innerText()).toMatch(new RegExp(`\\s${cores > 1 ? `1 of ${cores} threads` : "1 thread"}\\s+not isolated`));
  });

  it.each(sample(panels.concat("train", "race"), 2))("shows every label whole at 360 pixels: #%s", async (panel) => {
    visit = await site.open(`#${panel}`, { viewport: { width: 360, height: 640 } });
    const { page } = visit;
    await page.locator(`#panel-${panel} label`).first().waitFor();
    if (panel === "neuron") await firingRate(page);
    const cut = await page.evaluate(() => [...document.querySelectorAll("section:not([hidden]) :is(label, label span, button, dt, figcaption *)")]
      .filter((element) => element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1).map(({ textContent }) => textContent));
    expect(cut).toEqual([]);
    expect(await page.locator(`#panel-${panel} .lead`).innerText()).toMatch(/^[A-Z].{60,}[.?]$/s);
  });

  it("goes from panel to panel by tabs, arrow keys, and back", async () => {
    visit = await site.open();
    const { page } = visit;
    await firingRate(page);
    const neuron = page.getByRole("tab", { name: "Neuron" });
    const kernels = page.getByRole("tab", { name: "Kernels" });
    await neuron.focus();
    await page.keyboard.press("ArrowRight");
    await page.locator("#panel-kernels").waitFor();
    expect(await kernels.evaluate((tab) => tab === document.activeElement)).toBe(true);
    expect(page.url()).toContain("#kernels");
    expect(await page.locator("#panel-neuron").isVisible()).toBe(false);
    await page.goBack();
    await page.locator("#panel-neuron").waitFor();
    expect(await neuron.getAttribute("aria-selected")).toBe("true");
    await page.evaluate(() => { location.hash = "#nowhere?steps=-1&amplitude=zero&o.tau=nothing"; });
    await page.locator("#panel-neuron").waitFor();
  });

  it.each(sample(panels.flatMap((panel) => (["light", "dark"] as const).map((scheme) => [panel, scheme] as const)), 1))("is legible: #%s, %s", async (panel, colorScheme) => {
    visit = await site.open(`#${panel}`, { colorScheme });
    const { page } = visit;
    if (panel === "neuron") await page.locator(".cm-content").waitFor();
    else await page.locator("#kernel-source span").first().waitFor();
    expect(await paleTexts(page)).toEqual([]);
  });

  it.each(sample([["neuron", ".cm-content"], ["kernels", "#kernel-source span"], ["train", ".train"], ["race", ".race"]], 1))("has a name for every control: #%s", async (panel, content) => {
    visit = await site.open(`#${panel}`);
    const { page } = visit;
    await page.locator(content).first().waitFor();
    const nameless = await page.evaluate(() => [...document.querySelectorAll<HTMLInputElement>("input, select, textarea, canvas, [role=textbox], button, [role=region]")]
      .filter((element) => !element.getAttribute("aria-label") && !element.labels?.length && !element.textContent?.trim()).map(({ outerHTML }) => outerHTML));
    expect(nameless).toEqual([]);
  });

  it("draws as finely as the screen", async () => {
    visit = await site.open("", { deviceScaleFactor: 2 });
    const { page } = visit;
    await firingRate(page);
    const density = (): Promise<number> => page.locator("canvas.membrane").evaluate((canvas: HTMLCanvasElement) => canvas.width / canvas.clientWidth);
    await expect.poll(density).toBeCloseTo(2, 2);
    await page.setViewportSize({ width: 900, height: 700 });
    await expect.poll(density).toBeCloseTo(2, 2);
  });
});
