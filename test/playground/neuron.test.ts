import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { chromiumPath, needsChromium } from "../chromium.ts";
import { firingRate, openSite, type Site, type Visit } from "./site.ts";
import { occasionally, sample } from "../sample.ts";

let site: Site;
let visit: Visit;

/** The page is used as a visitor would; whatever is done, it says no error and asks nobody else. */
async function open(...how: Parameters<Site["open"]>): Promise<Page> {
  visit = await site.open(...how);
  return visit.page;
}

const own = `defineNeuron({
  name: "mine",
  state: { first: 0, second: 2 },
  params: { leak: 0.5 },
  step({ first, second }, { x }, { leak }) {
    const s = spike(first.sub(1), surrogate.triangular());
    return { spike: s, first: first.mul(leak).add(x), second: second.mul(0.9) };
  },
});
`;

const codeLink = (code: string): string => `#neuron?${new URLSearchParams({ neuron: "code", code })}`;
const message = (page: Page) => page.locator(".definition .message");

/** Replaces the text of the editor, key by key as far as it matters to the page. */
async function write(page: Page, code: string): Promise<void> {
  await page.locator(".cm-content").click();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.insertText(code);
}

describe.runIf(chromiumPath)(needsChromium("the neuron bench"), () => {
  beforeAll(async () => { site = await openSite(); }, 60_000);
  afterAll(() => site?.close());
  afterEach(async () => {
    const { said } = visit;
    await visit.close();
    expect(said).toEqual([]);
  });

  it("runs a neuron at once, and again when a slider moves", async () => {
    const page = await open();
    const rate = await firingRate(page);
    expect(rate).toBeGreaterThan(0);

    const threshold = page.getByLabel("threshold", { exact: true });
    await threshold.focus();
    for (let i = 0; i < 20; i++) await page.keyboard.press("ArrowRight");
    const lower = await firingRate(page, rate);
    expect(lower).toBeLessThan(rate);

    await page.getByLabel("amplitude, typed").fill("4");
    expect(await firingRate(page, lower)).toBeGreaterThan(lower);
  });

  it("gives what it shows as tables", async () => {
    const page = await open();
    const rate = await firingRate(page);
    const rows = async (name: string): Promise<string[][]> => {
      const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: `Save ${name} as CSV`, exact: true }).click()]);
      return (await readFile((await download.path())!, "utf8")).trim().split("\n").map((line) => line.split(","));
    };
    const [names, ...steps] = await rows("Membrane");
    expect(names).toEqual(["step", "v", "membrane_before_reset", "threshold", "spike"]);
    expect(steps.length).toBe(150);
    for (const [, , membrane, threshold, spike] of steps) expect(Number(membrane) >= Number(threshold)).toBe(spike === "1");
    const [columns, ...spikes] = await rows("64 neurons");
    expect(columns).toEqual(["step", "neuron"]);
    expect(spikes.length / (150 * 64)).toBeCloseTo(rate, 3);
  });

  it.each(sample([["integrateAndFire", "v"], ["parametricLif", "v"], ["leaky", "v"], ["synaptic", "v"]], 1))("runs %s", async (name, state) => {
    const page = await open();
    await firingRate(page);
    await page.getByRole("combobox", { name: "Neuron" }).selectOption(name);
    await page.locator(`canvas.membrane[aria-label*="a ${name},"]`).waitFor();
    expect(await page.locator("canvas.membrane").getAttribute("aria-label")).toContain(`${state} between`);
    expect(await page.locator(".definition").textContent()).toContain(name);
  });

  it("offers the options of a built-in neuron, and says what is wrong with one", async () => {
    const page = await open();
    const rate = await firingRate(page);
    await page.getByRole("combobox", { name: "reset" }).selectOption("soft");
    const soft = await firingRate(page, rate);
    expect(soft).toBeGreaterThan(rate);
    await page.getByRole("combobox", { name: "surrogate" }).selectOption("rectangular");
    await page.getByLabel("rectangular width", { exact: true }).waitFor();
    await page.locator('canvas.surrogate[aria-label*="rectangular: 1 at"]').waitFor();
    await page.getByLabel("tau, typed").fill("0.5");
    await expect.poll(() => message(page).textContent()).toMatch(/tau is 0\.5: expected a finite number > 1/);
  });

  it.each(sample(["adaptive", "refractory", "resonate", "izhikevich"], 1))("has an example that fires: %s", async (name) => {
    const page = await open();
    await firingRate(page);
    await page.getByRole("combobox", { name: "Neuron" }).selectOption(`example:${name}`);
    await page.locator('canvas.membrane:not([aria-label*="a lif,"])').waitFor();
    const spikes = await page.locator("canvas.membrane").getAttribute("aria-label");
    expect(Number(/fires (\d+) times/.exec(spikes!)![1])).toBeGreaterThan(2);
    expect(await page.getByRole("combobox", { name: "Neuron" }).inputValue()).toBe(`example:${name}`);
  });

  it("runs a neuron that is written in the editor, with a slider for its parameter", async () => {
    const page = await open();
    await firingRate(page);
    await write(page, own);
    await page.locator('canvas.membrane[aria-label*="a mine,"]').waitFor();
    const label = await page.locator("canvas.membrane").getAttribute("aria-label");
    expect(label).toMatch(/first between .* second between 2\.7e−7 and 1\.8/);
    await expect.poll(() => page.locator("figure", { has: page.locator("canvas.membrane") }).locator(".key").allTextContents()).toEqual(["first", "second", "threshold", "spike"]);

    const rate = await firingRate(page);
    await page.getByLabel("leak, typed").fill("0");
    expect(await firingRate(page, rate)).toBeLessThan(rate);
    expect(await page.getByRole("combobox", { name: "Neuron" }).inputValue()).toBe("code");
  });

  it("works without CodeMirror, in the text area", async () => {
    const page = await open(codeLink(own), {}, (page) => page.route(/codemirror/, (route) => route.fulfill({ contentType: "text/javascript", body: "throw new Error();" })));
    const area = page.locator("textarea");
    expect(await area.inputValue()).toBe(own);
    await area.fill(own.replace("mine", "yours"));
    await page.locator('canvas.membrane[aria-label*="a yours,"]').waitFor();
  });

  it.each(sample([
    ["a mistake of syntax", own.replace("leak: 0.5", "leak: = 0.5"), 4, /unexpected token/],
    ["what is not part of the language", own.replace("const s", "fetch(`/`);\n    const s"), 6, /no effect|fetch is not known|not part of the language/],
    ["code that would run", own.replace("first.sub(1)", "first.constructor.constructor(`alert(1)`)()"), 6, /constructor/],
    ["an operator on expressions", own.replace("first.sub(1)", "first - 1"), 6, /a\.sub\(b\) instead of -/],
    ["what the library refuses", own.replace(", second: second.mul(0.9)", ""), 1, /does not return the state second/],
  ] as const, 1))("says where the text has %s, and keeps the pictures", async (_, code, line, what) => {
    const page = await open(codeLink(own));
    await page.locator('canvas.membrane[aria-label*="a mine,"]').waitFor();
    await page.locator(".cm-content").waitFor();
    await write(page, code);
    await expect.poll(() => message(page).textContent()).toMatch(what);
    expect(await message(page).textContent()).toMatch(new RegExp(`^Line ${line}, column \\d+: `));
    expect(await page.locator(".plots.stale").count()).toBe(1);
    const marked = page.locator(".cm-line.wrong-line");
    expect(await marked.count()).toBe(1);
    expect(await page.locator(".cm-line").evaluateAll((lines) => lines.findIndex((each) => each.classList.contains("wrong-line")) + 1)).toBe(line);

    await write(page, own);
    await expect.poll(() => page.locator(".plots.stale").count()).toBe(0);
    expect(await marked.count()).toBe(0);
  });

  it("stops a definition that takes too long, and goes on", async () => {
    const page = await open();
    await firingRate(page);
    await page.getByLabel("T, steps, typed").fill("400");
    // Wide rather than deep: a deep one is refused for its depth, and sooner.
    const functions = ["const f0 = (x) => erf(x.mul(0.5));", ...Array.from({ length: 6 }, (_, i) => `const f${i + 1} = (x) => f${i}(f${i}(x));`)];
    const slow = Array.from({ length: 56 }, (_, i) => `f6(x.add(${i}))`).reduce((sum, term) => `${sum}.add(${term})`);
    await write(page, `${functions.join("\n")}\ndefineNeuron({ name: "slow", state: { v: 0 }, step: ({ v }, { x }) => ({ spike: spike(${slow}, surrogate.atan()), v }) });`);
    await expect.poll(() => message(page).textContent(), { timeout: 15_000 }).toMatch(/longer than 2 s/);
    await write(page, own);
    await page.locator('canvas.membrane[aria-label*="a mine,"]').waitFor();
  });

  occasionally("is used by keyboard: steps and neurons by arrow keys", async () => {
    const page = await open();
    await firingRate(page);
    const membrane = page.locator("canvas.membrane");
    await membrane.focus();
    for (let i = 0; i < 7; i++) await page.keyboard.press("ArrowRight");
    expect(await membrane.getAttribute("aria-valuetext")).toMatch(/^Step 6: v .*, spike$/);
    const raster = page.locator("canvas.raster");
    await raster.focus();
    await page.keyboard.press("Home");
    await page.locator('canvas.membrane[aria-label*="neuron 0,"]').waitFor();
    await raster.click({ position: { x: 200, y: 100 } });
    await page.locator('canvas.membrane:not([aria-label*="neuron 0,"])').waitFor();
    await page.getByLabel("threshold", { exact: true }).focus();
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.id && document.activeElement.tagName)).toBe("SELECT");
  });

  it("copies a link that brings everything back", async () => {
    const page = await open(codeLink(own), { permissions: ["clipboard-read", "clipboard-write"] });
    await page.locator('canvas.membrane[aria-label*="a mine,"]').waitFor();
    await page.getByLabel("leak, typed").fill("0.25");
    await page.getByLabel("signal").selectOption("sine");
    await page.getByLabel("period, typed").fill("31");
    await page.getByLabel("T, steps, typed").fill("90");
    await page.locator('canvas.membrane[aria-label*="over 90 steps"]').waitFor();
    await page.getByRole("button", { name: "Copy link" }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    const said = await page.locator("canvas.raster").getAttribute("aria-label");
    await expect.poll(() => page.url()).toBe(link);

    const other = await site.open(link.slice(site.url.length));
    await other.page.locator('canvas.membrane[aria-label*="over 90 steps"]').waitFor();
    expect(await other.page.locator("canvas.raster").getAttribute("aria-label")).toBe(said);
    expect(await other.page.getByLabel("leak, typed").inputValue()).toBe("0.25");
    expect(await other.page.getByLabel("period, typed").inputValue()).toBe("31");
    await other.page.locator(".cm-content").waitFor();
    expect((await other.page.locator(".cm-line").allTextContents()).join("\n")).toBe(own);
    await other.close();
    expect(other.said).toEqual([]);
  });
});
