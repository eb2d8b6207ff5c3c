import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { chromiumPath, needsChromium } from "../chromium.ts";
import { openSite, type Site, type Visit } from "./site.ts";

let site: Site;
let visit: Visit;

describe.runIf(chromiumPath)(needsChromium("the kernels panel"), () => {
  beforeAll(async () => { site = await openSite(); }, 60_000);
  afterAll(() => site?.close());
  afterEach(async () => {
    const { said } = visit;
    await visit.close();
    expect(said).toEqual([]);
  });

  const source = (): Promise<string> => visit.page.locator("#kernel-source").innerText();
  const tab = (name: string) => visit.page.getByRole("tab", { name, exact: true });

  it("shows the neuron's kernels for every target, both ways", async () => {
    visit = await site.open();
    await tab("Kernels").click();
    await visit.page.locator("#panel-kernels").getByRole("combobox", { name: "Neuron" }).selectOption("synaptic");
    for (const [name, forward, backward] of [
      ["WGSL", /@compute[\s\S]*fn forward\(/, /fn backward\(/], ["CUDA C++", /__global__[\s\S]*\bforward\(/, /\bbackward\(/], ["WebAssembly", /\(func \(export "forward"\)|\$forward/, /backward/],
    ] as const) {
      await tab(name).click();
      await tab("Forward").click();
      await expect.poll(source).toMatch(forward);
      expect(await source()).toContain("synaptic, all steps forward");
      await tab("Backward").click();
      await expect.poll(source).toMatch(backward);
      expect(await source()).toContain("synaptic, all steps backward");
      expect(await visit.page.locator("#kernel-source .comment").count()).toBeGreaterThan(0);
    }
    expect(await visit.page.locator(".listing.step pre").innerText()).toContain('name: "synaptic"');
    expect(await visit.page.locator(".listing.plan pre").innerText()).toContain("synaptic, T = 32");
  });

  it("follows the number of steps and the formats", async () => {
    visit = await site.open("#kernels");
    const { page } = visit;
    await expect.poll(source).toContain("array<f32>");
    await page.getByLabel("T, steps, typed").fill("1000");
    await expect.poll(() => page.locator(".listing.plan pre").innerText()).toContain("backward recomputes 32 steps at a time");
    await page.getByLabel("spikes written as").selectOption("bits");
    await expect.poll(source).toContain("array<u32>");
    await page.getByLabel("inputs read as").selectOption("f16");
    await tab("WebAssembly").click();
    await expect.poll(source).toMatch(/wasm kernels read f32/);
    await tab("CUDA C++").click();
    await expect.poll(source).toMatch(/half_bits[^;]*x_buffer/);
  });

  it("shows the kernels of a neuron written in the other panel, and what is wrong with it", async () => {
    visit = await site.open(`#kernels?${new URLSearchParams({ neuron: "code", code: `// Mine.\ndefineNeuron({ name: "mine", state: { v: 0 }, step: ({ v }, { x }) => ({ spike: spike(v.sub(1), surrogate.atan()), v: v.add(x) }) });` })}`);
    await expect.poll(source).toContain("mine, all steps forward");
    expect(await visit.page.locator(".listing.step pre").innerText()).toContain("// Mine.");
    await visit.page.evaluate(() => { location.hash = "#kernels?neuron=code&code=defineNeuron"; });
    await expect.poll(() => visit.page.locator(".settings .message").innerText()).toMatch(/^Line 1: the text defines no neuron/);
  });

  it("chooses tabs by arrow keys, and copies the text", async () => {
    visit = await site.open("#kernels", { permissions: ["clipboard-read", "clipboard-write"] });
    const { page } = visit;
    await tab("WGSL").focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    expect(await tab("WebAssembly").getAttribute("aria-selected")).toBe("true");
    await expect.poll(source).toContain("(module");
    await page.getByRole("button", { name: "Copy", exact: true }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/^\(module ;; lif/);
    await expect.poll(() => page.url()).toContain("target=wat");
  });
});
