import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type { Browser, CDPSession, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunReport } from "../../../src/train/report/data.ts";
import { renderComparison } from "../../../src/train/report/compare.ts";
import { renderReport } from "../../../src/train/report/render.ts";
import { isBuilt, needsBuild, root } from "../../built.ts";
import { chromiumPath, launchChromium, needsChromium } from "../../chromium.ts";
import { layoutShift, paleTexts, sidewaysOverflow, textsOutsideCards } from "./measures.ts";
import { sampleRun } from "./sampleRun.ts";
import { occasionally, sample } from "../../sample.ts";

const looks = [1280, 360].flatMap((width) => (["light", "dark"] as const).map((colorScheme) => [width, colorScheme] as const));

let directory: string;
let browser: Browser;
let page: Page;
let devtools: CDPSession;
const said: string[] = [];
const fetched: string[] = [];

interface Opening {
  width?: number;
  height?: number;
  colorScheme?: "light" | "dark";
  /** Of the processor while the report loads. Default 1. */
  slowdown?: number;
}

const urlOf = (name: string) => pathToFileURL(join(directory, name, "report.html")).href;

/** Opens a report from disk. Whatever is done with it, it says nothing, fetches nothing and does not scroll sideways. */
async function withReport(name: string, { width = 1100, height = 900, colorScheme = "light", slowdown = 1 }: Opening, use: () => Promise<void>): Promise<void> {
  said.length = fetched.length = 0;
  await page.mouse.move(0, 0);
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme });
  await devtools.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
  await page.goto(urlOf(name));
  await devtools.send("Emulation.setCPUThrottlingRate", { rate: 1 });
  await use();
  expect(said).toEqual([]);
  expect(fetched).toEqual([urlOf(name)]);
  expect(await sidewaysOverflow(page)).toBe(0);
}

const embedded = async (): Promise<RunReport> => JSON.parse((await page.locator("#run-data").textContent())!);
const shownSamples = (on = page) => on.locator(".sample:visible");

async function save(figure: Locator, type: "svg" | "png", file: string): Promise<Buffer> {
  const [download] = await Promise.all([page.waitForEvent("download"), figure.locator(`[data-save=${type}]`).click()]);
  expect(download.suggestedFilename()).toBe(file);
  return readFile(await download.path());
}

/** Runs in the page: what an SVG file holds. */
function readSvg(text: string) {
  const root = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  return {
    root: root.localName,
    width: Number(root.getAttribute("width")),
    texts: [...root.querySelectorAll("text")].map(({ textContent }) => textContent ?? ""),
    drawings: root.querySelectorAll("path, rect, image").length,
    outside: [...root.querySelectorAll("[href], style, script, foreignObject")].filter((element) => !element.getAttribute("href")?.startsWith("data:image/png")).map(({ outerHTML }) => outerHTML),
  };
}

/** Runs in the page: the words of a figure that can be seen. */
function visibleTexts(figure: Element): string[] {
  const walker = document.createTreeWalker(figure, NodeFilter.SHOW_TEXT);
  const words: string[] = [];
  while (walker.nextNode()) {
    const { parentElement, nodeValue } = walker.currentNode;
    if (!parentElement!.closest(".save, .tip, .unseen")) words.push(...nodeValue!.trim().split(/\s+/).filter(Boolean));
  }
  return words;
}

/** Runs in the page: how many colours a picture has. */
async function coloursOf(url: string): Promise<number> {
  const image = new Image();
  image.src = url;
  await image.decode();
  const pen = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height }).getContext("2d")!;
  pen.drawImage(image, 0, 0);
  return new Set(new Uint32Array(pen.getImageData(0, 0, image.width, image.height).data.buffer)).size;
}

/** The pointer over a chart, above one of the ticks below it. */
async function pointAtTick(chart: string, tick: number): Promise<void> {
  const plot = page.locator(`[data-chart=${chart}]`);
  await plot.scrollIntoViewIfNeeded();
  const box = (await plot.boundingBox())!;
  const label = (await plot.locator(".tick.x", { hasText: new RegExp(`^${tick}$`) }).boundingBox())!;
  await page.mouse.move(Math.min(label.x + label.width / 2, box.x + box.width - 1), box.y + box.height / 2);
}

/** The time step that each plot of the shown sample marks; undefined where it marks none. */
const markedSteps = () =>
  shownSamples().locator(".plot").evaluateAll((plots) =>
    plots.map((plot) => {
      const { content, left, width } = getComputedStyle(plot, "::after");
      const middle = (parseFloat(left) + parseFloat(width) / 2) / plot.clientWidth;
      return content === "none" ? undefined : Math.floor(middle * Number((plot as HTMLElement).dataset.steps));
    }),
  );

/** What holds for every page. */
function looksWell(name: string): void {
  it.each(sample(looks, 1))("is legible, fits its window and does not shift, %d px, %s", async (width, colorScheme) => {
    // Only what is in view can be seen to shift: so all of it, and slowly.
    await withReport(name, { width, height: 6000, colorScheme, slowdown: 6 }, async () => {
      const paper = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
      expect(Number(/\d+/.exec(paper)) < 128).toBe(colorScheme === "dark");
      expect(await layoutShift(page)).toBe(0);
      expect(await textsOutsideCards(page)).toEqual([]);
      expect(await paleTexts(page)).toEqual([]);
    });
  });

  occasionally("saves every figure as SVG and PNG, as it is drawn", async () => {
    await withReport(name, {}, async () => {
      const figures = page.locator("[data-figure]:visible");
      expect(await figures.count()).toBeGreaterThan(3);
      for (const figure of sample(await figures.all(), 3)) {
        const { width, height } = (await figure.boundingBox())!;
        const id = (await figure.getAttribute("data-figure"))!;
        const svg = (await save(figure, "svg", `${id}.svg`)).toString("utf8");
        const found = await page.evaluate(readSvg, svg);
        expect(found).toMatchObject({ root: "svg", outside: [] });
        expect(Math.abs(found.width - width)).toBeLessThan(1);
        const said = await figure.evaluate(visibleTexts);
        expect(said.length).toBeGreaterThan(5);
        expect(found.texts.join(" ").split(/\s+/).toSorted()).toEqual(said.toSorted());
        expect(found.drawings).toBeGreaterThan(3);

        const png = await save(figure, "png", `${id}.png`);
        expect(png.subarray(0, 8).toString("latin1")).toBe("\x89PNG\r\n\x1a\n");
        expect(Math.abs(png.readUInt32BE(16) - 2 * width)).toBeLessThan(2);
        expect(Math.abs(png.readUInt32BE(20) - 2 * height)).toBeLessThan(2);
        expect(await page.evaluate(coloursOf, `data:image/png;base64,${png.toString("base64")}`)).toBeGreaterThan(10);
      }
    });
  });
}

function behavesWell(name: string): void {
  looksWell(name);

  occasionally("shows the sample that is chosen, and only that", async () => {
    await withReport(name, {}, async () => {
      const { samples, classNames } = await embedded();
      const buttons = page.locator(".picker button");
      expect(await buttons.count()).toBe(samples.length);
      for (const chosen of [...samples.keys()].reverse()) {
        await buttons.nth(chosen).click();
        expect(await shownSamples().count()).toBe(1);
        const { label } = samples[chosen];
        expect(await shownSamples().getAttribute("id")).toBe(`sample-${chosen}`);
        expect(await shownSamples().locator("h3").textContent()).toBe(classNames?.[label] ?? String(label));
        expect(await buttons.evaluateAll((all) => all.map((button) => button.ariaPressed))).toEqual(samples.map((_, i) => String(i === chosen)));
      }
    });
  });

  it("reads the value of an epoch off the charts", async () => {
    await withReport(name, {}, async () => {
      for (const { epoch, testLoss, testAccuracy } of (await embedded()).epochs)
        for (const [chart, value] of [["loss", testLoss], ["accuracy", testAccuracy * 100]] as const) {
          await pointAtTick(chart, epoch);
          const tip = page.locator(`[data-chart=${chart}] .tip:visible`);
          const [, at, test] = /^epoch ([\d.]+)training [\d.]+.*test ([\d.]+)/.exec((await tip.textContent())!)!.map(Number);
          expect(Math.abs(at - epoch)).toBeLessThan(0.05);
          expect(Math.abs(test / value - 1)).toBeLessThan(0.006);
          expect(await page.locator(".tip:visible").count()).toBe(1);
        }
      await page.mouse.move(1, 1);
      expect(await page.locator(".tip:visible, .crosshair:visible").count()).toBe(0);
    });
  });

  occasionally("marks the time step under the pointer in every layer at once", async () => {
    await withReport(name, {}, async () => {
      const { layers, membranes } = (await embedded()).samples[0];
      const plots = shownSamples().locator(".plot");
      expect(await plots.count()).toBe(layers.length + membranes.length);
      const { steps } = layers[0];
      for (const [plot, step] of [[0, 0], [1, steps - 1], [layers.length, Math.floor(steps / 2)]]) {
        await plots.nth(plot).scrollIntoViewIfNeeded();
        const { x, y, width, height } = (await plots.nth(plot).boundingBox())!;
        await page.mouse.move(x + ((step + 0.5) / steps) * width, y + height / 2);
        expect(new Set(await markedSteps())).toEqual(new Set([step]));
      }
      await page.mouse.move(1, 1);
      expect(new Set(await markedSteps())).toEqual(new Set([undefined]));
    });
  });

  it("saves its data as JSON", async () => {
    await withReport(name, {}, async () => {
      const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save the data as JSON" }).click()]);
      expect(download.suggestedFilename()).toBe("report.json");
      expect(JSON.parse(await readFile(await download.path(), "utf8"))).toEqual(await embedded());
    });
  });
}

describe.skipIf(!chromiumPath)(needsChromium("a report in the browser"), () => {
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "spikefold-report-"));
    browser = await launchChromium();
    page = await browser.newPage({ hasTouch: true });
    page.setDefaultTimeout(10_000);
    page.on("console", (message) => said.push(message.text()));
    page.on("pageerror", (error) => said.push(String(error)));
    page.on("request", (request) => !request.url().startsWith("data:") && fetched.push(request.url()));
    devtools = await page.context().newCDPSession(page);
  });
  afterAll(async () => {
    await browser?.close();
    await rm(directory, { recursive: true });
  });

  const rendered = (name: string, run: RunReport) => async () => {
    await mkdir(join(directory, name));
    await writeFile(join(directory, name, "report.html"), renderReport(run));
  };

  describe("of sample data", () => {
    beforeAll(rendered("sample", sampleRun()));
    behavesWell("sample");

    it.each(sample([1100, 390], 1))("keeps what it reads within the chart, %d px", async (width) => {
      await withReport("sample", { width }, async () => {
        const plot = page.locator("[data-chart=accuracy]");
        await plot.scrollIntoViewIfNeeded();
        const box = (await plot.boundingBox())!;
        for (let part = 0; part < 16; part++) {
          await page.mouse.move(box.x + ((part + 0.5) / 16) * box.width, box.y + box.height / 2);
          const tip = (await plot.locator(".tip:visible").boundingBox())!;
          expect(tip.x).toBeGreaterThanOrEqual(box.x - 0.5);
          expect(tip.x + tip.width).toBeLessThanOrEqual(box.x + box.width + 0.5);
          expect(await sidewaysOverflow(page)).toBe(0);
        }
      });
    });

    it("reads values at a tap", async () => {
      await withReport("sample", { width: 390 }, async () => {
        await page.locator("[data-chart=loss]").tap();
        expect(await page.locator(".tip:visible").textContent()).toMatch(/^epoch (2.9\d|3)/);
        await shownSamples().locator(".plot").first().tap({ position: { x: 1, y: 9 } });
        expect(new Set(await markedSteps())).toEqual(new Set([0]));
      });
    });

    it("shows all samples, and no button that does nothing, where scripts are off", async () => {
      const context = await browser.newContext({ javaScriptEnabled: false });
      const plain = await context.newPage();
      await plain.goto(urlOf("sample"));
      expect(await shownSamples(plain).count()).toBe(sampleRun().samples.length);
      expect(await plain.locator("button:visible").count()).toBe(0);
      await context.close();
    });
  });

  describe("of several runs", () => {
    const runs = Array.from({ length: 10 }, (_, i) => ({ name: `run-${i}`, report: sampleRun({ epochs: 2 + (i % 3), stepsPerEpoch: 100 }) }));
    beforeAll(async () => {
      await mkdir(join(directory, "several"));
      await writeFile(join(directory, "several", "report.html"), renderComparison(runs));
    });
    looksWell("several");

    it("reads the values of all runs off a chart", async () => {
      await withReport("several", {}, async () => {
        await pointAtTick("test-accuracy", 2);
        const tip = await page.locator("[data-chart=test-accuracy] .tip:visible").textContent();
        for (const { name, report } of runs) expect(tip).toContain(`${name} ${Number((100 * report.epochs[1].testAccuracy).toFixed(2))}`);
      });
    });
  });

  describe("of names of any length", () => {
    beforeAll(rendered("long", withLongNames(sampleRun())));

    it.each(sample([1100, 768, 390, 320], 1))("stays within its window and its cards, %d px", async (width) => {
      await withReport("long", { width }, async () => expect(await textsOutsideCards(page)).toEqual([]));
    });
  });

  describe.skipIf(!isBuilt)(needsBuild("of a real run"), () => {
    beforeAll(async () => {
      const args = ["train", "mnist", "--limit", "512", "--epochs", "1", "--batch", "16", "--out", join(directory, "real")];
      await promisify(execFile)(process.execPath, [join(root, "dist/cli/main.js"), ...args]);
    });
    behavesWell("real");

    it("shows spikes", async () => {
      await withReport("real", {}, async () => {
        const { samples, firingRates } = await embedded();
        for (const { rate } of firingRates) expect(rate).toBeGreaterThan(0);
        const marks = await shownSamples().locator("path.spikes").evaluateAll((paths) => paths.map((path) => path.getAttribute("d")!.split("M").length - 1));
        expect(marks).toEqual(samples[0].layers.map(({ spikes }) => spikes.length));
      });
    });
  });
});

function withLongNames(run: RunReport): RunReport {
  const long = (name: string) => `${name}: residual(conv2d(64, 128, kernel 3, stride 2), batchNorm2d(128), spiking(adaptiveLif))`;
  return {
    ...run,
    title: `${"A_name_without_a_single_space_".repeat(3)}on MNIST`,
    model: run.model.map(({ name, parameters }) => ({ name: long(name), outputShape: [128, 128, 256], parameters })),
    options: { ...run.options, "directory of the data set": `/home/${"someone/".repeat(12)}mnist` },
    firingRates: run.firingRates.map((rates) => ({ ...rates, layer: long(rates.layer) })),
    samples: run.samples.map((sample) => ({
      ...sample,
      layers: sample.layers.map((layer) => ({ ...layer, name: long(layer.name) })),
      membranes: sample.membranes.map((trace) => ({ ...trace, layer: long(trace.layer) })),
    })),
    classNames: Array.from({ length: 10 }, (_, i) => `an ankle boot with laces, kind ${i}`),
    notes: [`https://example.org/${"a".repeat(200)}`],
  };
}
