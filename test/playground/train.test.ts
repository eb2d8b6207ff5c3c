import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { chromiumPath, needsChromium } from "../chromium.ts";
import { layoutShift, paleTexts, sidewaysOverflow, textsOutsideCards } from "../train/report/measures.ts";
import { openSite, type Site, type Visit } from "./site.ts";
import { occasionally, sample } from "../sample.ts";

interface Choices { network?: string; neuron?: string; T?: string; batch?: string; rate?: string; images?: string; epochs?: string; device?: string }

const labels: Record<keyof Choices, string> = {
  device: "Device", network: "Network", neuron: "Neuron", T: "Time steps T", batch: "Batch size", rate: "Learning rate", images: "Training images", epochs: "Epochs",
};

async function choose(page: Page, choices: Choices): Promise<void> {
  for (const [name, value] of Object.entries(choices)) await page.locator(".train").getByLabel(labels[name as keyof Choices], { exact: true }).selectOption(value);
}

/** For what the page does when a shared machine lets it. */
const slow = { timeout: 15_000 };
const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });
const figure = (page: Page, name: string): Promise<number> => page.locator(`[data-figure=${name}]`).evaluate((dd) => parseFloat(dd.textContent!));
const state = (page: Page, ...names: string[]) => page.locator(names.map((name) => `.train[data-state=${name}]`).join()).waitFor({ timeout: 50_000 });
const alert = (page: Page) => page.locator(".train [role=alert]");

const quick: Choices = { network: "mlp", T: "8", batch: "32", rate: "0.003", images: "1000", epochs: "3" };

async function train(page: Page, choices: Choices = quick): Promise<void> {
  await choose(page, choices);
  await button(page, "Start").click();
  await state(page, "finished", "failed");
  expect(await alert(page).textContent()).toBe("");
}

/** Draws a line on the pad; points are fractions of its side. */
async function draw(page: Page, ...points: [number, number][]): Promise<void> {
  const pad = page.getByRole("application");
  await pad.scrollIntoViewIfNeeded();
  const { x, y, width, height } = (await pad.boundingBox())!;
  const at = ([right, down]: [number, number]) => [x + right * width, y + down * height] as const;
  await page.mouse.move(...at(points[0]));
  await page.mouse.down();
  for (const point of points.slice(1)) await page.mouse.move(...at(point), { steps: 6 });
  await page.mouse.up();
}

/** Spikes of each class's neuron; NaN before an image was read. */
const spikeCounts = (page: Page): Promise<number[]> => page.locator(".scores li").evaluateAll((rows) => rows.map((row) => parseInt((row as HTMLElement).dataset.count!)));
const answer = (page: Page) => page.locator(".answer");

describe.runIf(chromiumPath)(needsChromium("the training panel"), () => {
  let site: Site;
  let visit: Visit;
  beforeAll(async () => { site = await openSite(); }, 90_000);
  afterAll(() => site?.close());
  afterEach(async () => {
    const { said } = visit;
    await visit.close();
    expect(said).toEqual([]);
  });

  it("learns, and then reads a drawn 1", async () => {
    visit = await site.open("#train");
    const { page } = visit;
    await train(page);
    expect(await figure(page, "loss")).toBeLessThan(1);
    expect(await figure(page, "accuracy")).toBeGreaterThan(70);
    expect(await figure(page, "speed")).toBeGreaterThan(0);
    expect(await page.locator(".rates").textContent()).toMatch(/^\d+\.\d\s%  ·  \d+\.\d\s%$/);
    await expect.poll(() => answer(page).textContent(), slow).toMatch(/\d/);
    const picture = await page.locator(".hidden-layers canvas.spikes").getAttribute("aria-label");
    expect(Number(/Spikes of 64 neurons .* over 8 steps: ([\d.]+)\s%/.exec(picture!)![1])).toBeGreaterThan(1);

    await draw(page, [0.52, 0.15], [0.48, 0.85]);
    await expect.poll(() => answer(page).textContent(), slow).toBe("1");
    const counts = await spikeCounts(page);
    expect(counts.indexOf(Math.max(...counts))).toBe(1);
    expect(counts.every((count) => count >= 0 && count <= 8)).toBe(true);
    expect(await page.locator(".outputs figcaption").innerText()).toContain("spikes of its neuron in 8 steps");
    await expect.poll(() => page.locator("p[aria-live]").textContent(), slow).toBe(`The network reads 1, with ${counts[1]} spikes in 8 steps.`);
    await button(page, "Clear").click();
    await expect.poll(() => answer(page).textContent(), slow).toBe("–");
    await button(page, "Test image").click();
    await expect.poll(() => page.locator(".verdict .message").textContent(), slow).toMatch(/^(right|the label says \d) · /);
    await button(page, "Train on").click();
    await state(page, "running");
    await state(page, "finished");
    expect(await figure(page, "epoch")).toBe(6);
  });

  occasionally("stops, goes on from there, and is reset", async () => {
    visit = await site.open("#train");
    const { page } = visit;
    const update = (): Promise<number> => page.locator("[data-figure=epoch] small").evaluate((small) => Number(/update (\d+)/.exec(small.textContent!)![1]));
    await choose(page, { network: "mlp", T: "8" });
    await button(page, "Start").click();
    await page.locator("[data-figure=epoch] small").waitFor();
    expect(await page.getByLabel("Network", { exact: true }).isDisabled()).toBe(true);
    await button(page, "Stop").click();
    await state(page, "paused");
    const stopped = await update();
    await page.waitForTimeout(300);
    expect(await update()).toBe(stopped);
    await draw(page, [0.3, 0.3], [0.7, 0.7]);
    await expect.poll(() => spikeCounts(page), slow).not.toContain(NaN);
    await button(page, "Continue").click();
    await expect.poll(update, slow).toBeGreaterThan(stopped);
    await button(page, "Reset").click();
    await state(page, "idle");
    expect(await page.locator("[data-figure=loss]").textContent()).toBe("–");
    await train(page, { ...quick, epochs: "1" });
  });

  it("saves the weights and takes them back with their settings", async () => {
    visit = await site.open("#train");
    const { page } = visit;
    await train(page);
    const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Save weights").click()]);
    expect(download.suggestedFilename()).toBe("spikefold-mlp-lif-T8.safetensors");
    const bytes = await readFile((await download.path())!);
    const accuracy = await figure(page, "accuracy");

    await page.reload();
    await page.locator(".train").waitFor();
    await page.locator("input[type=file]").setInputFiles({ name: "mine.safetensors", mimeType: "application/octet-stream", buffer: bytes });
    await state(page, "loaded");
    await expect.poll(() => figure(page, "accuracy"), slow).toBe(accuracy);
    expect(await page.getByLabel("Network", { exact: true }).inputValue()).toBe("mlp");
    expect(await page.getByLabel("Time steps T").inputValue()).toBe("8");
    await draw(page, [0.52, 0.15], [0.48, 0.85]);
    await expect.poll(() => answer(page).textContent(), slow).toBe("1");

    await page.locator("input[type=file]").setInputFiles({ name: "cut.safetensors", mimeType: "application/octet-stream", buffer: bytes.subarray(0, 5000) });
    await expect.poll(() => alert(page).textContent(), slow).toMatch(/cut\.safetensors/);
    await state(page, "failed");
    await train(page, { ...quick, epochs: "1" });
  });

  it("reads a drawing at once, with a network that was trained before", async () => {
    visit = await site.open("#train");
    const { page } = visit;
    await draw(page, [0.3, 0.2], [0.7, 0.2], [0.45, 0.85]);
    await expect.poll(() => answer(page).textContent(), { timeout: 30_000 }).toBe("7");
    expect(await page.locator(".train").getByLabel("Network", { exact: true }).inputValue()).toBe("conv");
    await expect.poll(() => page.locator(".train [role=status]").nth(1).textContent(), { timeout: 30_000 }).toMatch(/^Loaded: 9[789]\.\d\s% of test images right$/);
  });

  occasionally("keeps the network that was trained over a reload", async () => {
    visit = await site.open("#train");
    const { page } = visit;
    await train(page);
    const accuracy = await figure(page, "accuracy");
    await page.reload();
    await page.locator(".train").waitFor();
    await expect.poll(() => button(page, "Your last").isEnabled(), slow).toBe(true);
    await draw(page, [0.52, 0.15], [0.48, 0.85]);
    await expect.poll(() => answer(page).textContent(), slow).toBe("1");
    await expect.poll(() => figure(page, "accuracy"), slow).toBe(accuracy);
    expect(await page.locator(".train").getByLabel("Network", { exact: true }).inputValue()).toBe("mlp");
    const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Save weights").click()]);
    expect(download.suggestedFilename()).toBe("spikefold-mlp-lif-T8.safetensors");
  });

  it("gives its curves as a picture and as numbers", async () => {
    visit = await site.open("#train");
    const { page } = visit;
    await train(page, { ...quick, epochs: "1" });
    const saved = async (name: string): Promise<Buffer> => {
      const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name, exact: true }).click()]);
      return readFile((await download.path())!);
    };
    const lines = (await saved("Save Accuracy as CSV")).toString().trim().split("\n").map((line) => line.split(","));
    expect(lines[0]).toEqual(["update", "training", "test"]);
    expect(lines.length).toBe(1 + Math.ceil(1000 / 32));
    expect(lines.slice(1).every(([update, training], i) => Number(update) === i + 1 && Number(training) >= 0 && Number(training) <= 1)).toBe(true);
    expect(lines.some(([, , test]) => test !== "" && Number(test) > 0)).toBe(true);
    const png = await saved("Save Loss as PNG");
    expect([...png.subarray(1, 4)].map((byte) => String.fromCharCode(byte)).join("")).toBe("PNG");
    expect(png.readUInt32BE(16)).toBeGreaterThan(200);
  });

  occasionally("is drawn on by keyboard", async () => {
    visit = await site.open("#train");
    const { page } = visit;
    await train(page);
    const pad = page.getByRole("application");
    await pad.focus();
    await page.keyboard.press("Space");
    for (let i = 0; i < 14; i++) await page.keyboard.press("ArrowDown");
    await expect.poll(() => answer(page).textContent(), slow).toBe("1");
    await page.keyboard.press("Backspace");
    await expect.poll(() => answer(page).textContent(), slow).toBe("–");
  });

  occasionally("says why it does not run on the GPU, and runs", async () => {
    visit = await site.open("#train");
    const { page } = visit;
    await expect.poll(() => page.locator(".train .where").textContent(), slow).toBe("No WebGPU adapter for this machine's GPU: it runs on WebAssembly.");
    await train(page, { ...quick, epochs: "1", device: "webgpu" });
    expect(await page.locator(".train .notice").textContent()).toMatch(/^This runs on WebAssembly, not on the GPU\. .*no adapter/);
    expect(await page.locator(".train .where").textContent()).toMatch(/^WebAssembly .*; 203\s530 weights$/);
  });

  occasionally("trains the small convolutional network and a neuron of one's own, from Poisson spikes", async () => {
    const code = 'defineNeuron({ name: "mine", state: { v: 0 }, params: { keep: 0.5 }, step({ v }, { x }, { keep }) { const h = v.mul(keep).add(x); const s = spike(h.sub(1), surrogate.atan()); return { spike: s, v: h.sub(detach(s)) }; } })';
    visit = await site.open(`#train?neuron=code&code=${encodeURIComponent(code)}`);
    const { page } = visit;
    await page.getByLabel("Image encoding").selectOption("poissonRate");
    await train(page, { network: "conv", neuron: "bench", T: "4", batch: "64", images: "1000", epochs: "1" });
    expect(await page.locator(".train .source").textContent()).toContain("mine");
    expect(await figure(page, "loss")).toBeLessThan(2.31);
    expect(await page.locator(".hidden-layers figcaption").first().innerText()).toMatch(/64 of 6272 neurons/);
  });

  it.each([
    ["a definition with a mistake", "#train?neuron=code&code=defineNeuron(", { neuron: "bench" }, /Mend the definition in the Neuron panel/],
  ] as const)("shows what is wrong: %s", async (_, hash, choices, message) => {
    visit = await site.open(hash);
    const { page } = visit;
    await choose(page, choices);
    await button(page, "Start").click();
    await expect.poll(() => alert(page).textContent(), slow).toMatch(message);
    await choose(page, { neuron: "lif" });
    await train(page, { ...quick, epochs: "1" });
  });

  occasionally("shows that the images cannot be had, and starts again once they can", async () => {
    visit = await site.open("#train");
    const { page, said } = visit;
    await page.route("**/mnist/**", (route) => route.abort());
    await button(page, "Start").click();
    await expect.poll(() => alert(page).textContent(), slow).toMatch(/cannot be fetched.*Check the connection/s);
    said.length = 0;
    await page.unroute("**/mnist/**");
    await train(page, { ...quick, epochs: "1" });
  });

  occasionally.each(sample([[1280, 800], [390, 844], [360, 640]] as const, 1))("holds still while it loads and fits at %i × %i", async (width, height) => {
    visit = await site.open("#train", { viewport: { width, height } });
    const { page } = visit;
    await expect.poll(() => page.locator(".train .where").textContent(), slow).not.toBe("");
    expect(await layoutShift(page)).toBeLessThan(0.01);
    expect(await sidewaysOverflow(page)).toBe(0);
    await train(page, { ...quick, epochs: "1" });
    expect(await sidewaysOverflow(page)).toBe(0);
    expect(await textsOutsideCards(page)).toEqual([]);
  });

  occasionally.each(sample(["light", "dark"] as const, 1))("is legible, %s", async (colorScheme) => {
    visit = await site.open("#train", { colorScheme });
    const { page } = visit;
    await expect.poll(() => page.locator(".train .where").textContent(), slow).not.toBe("");
    await page.addStyleTag({ content: ":disabled, fieldset:disabled * { opacity: 1 !important; }" });
    expect(await paleTexts(page)).toEqual([]);
  });
});

describe.runIf(chromiumPath)(needsChromium("the training panel on WebGPU"), () => {
  let site: Site;
  beforeAll(async () => { site = await openSite({ webgpu: true }); }, 90_000);
  afterAll(() => site?.close());

  it("prefers WebAssembly to a GPU in software, and trains on that when asked", { timeout: 180_000 }, async () => {
    const { page, said, close } = await site.open("#train");
    await expect.poll(() => page.locator(".train .where").textContent(), slow).toMatch(/^WebGPU is software here \(.*swiftshader.*\), and slower: it runs on WebAssembly\.$/i);
    expect(await page.locator(".train").getByLabel("Device").inputValue()).toBe("cpu");
    expect(await page.locator("#machine").innerText()).toMatch(/WebGPU in software: .*swiftshader/i);
    await choose(page, { device: "webgpu", network: "mlp", T: "4", batch: "64", rate: "0.01", images: "1000", epochs: "1" });
    await button(page, "Start").click();
    await page.locator(".train:is([data-state=finished], [data-state=failed])").waitFor({ timeout: 150_000 });
    expect(await alert(page).textContent()).toBe("");
    expect(await page.locator(".train .where").textContent()).toMatch(/swiftshader.*weights/);
    expect(await page.locator(".train .notice").isHidden()).toBe(true);
    expect(await figure(page, "accuracy")).toBeGreaterThan(20);
    await draw(page, [0.52, 0.15], [0.48, 0.85]);
    await expect.poll(() => spikeCounts(page), slow).not.toContain(NaN);
    await close();
    expect(said).toEqual([]);
  });

  occasionally("says that the GPU was lost, saves what was learnt, and starts again", { timeout: 180_000 }, async () => {
    const { page, close } = await site.open("#train");
    await choose(page, { device: "webgpu", network: "mlp", T: "4", epochs: "20" });
    await button(page, "Start").click();
    await expect.poll(() => page.locator("[data-figure=epoch]").textContent(), { timeout: 60_000 }).toMatch(/update/);
    // The copy of the weights is made every three seconds.
    await page.waitForTimeout(5000);
    const browser = await site.browser.newBrowserCDPSession();
    await browser.send("Browser.crashGpuProcess");
    await state(page, "failed");
    expect(await alert(page).textContent()).toMatch(/^The GPU was lost: .+Press Start/);
    const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Save weights").click()]);
    expect((await readFile((await download.path())!)).length).toBeGreaterThan(4 * 203_530);
    await button(page, "Start").click();
    await expect.poll(() => page.locator("[data-figure=epoch]").textContent(), { timeout: 60_000 }).toMatch(/update/);
    expect(await page.locator(".train .where").textContent()).toMatch(/swiftshader/);
    await close();
  });
});
