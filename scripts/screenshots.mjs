// Builds the playground, opens it in Chromium and saves pictures of its panels under docs/images: node scripts/screenshots.mjs [NAME]
import { chromium } from "playwright-core";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, preview } from "vite";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const executablePath = process.env.CHROMIUM_PATH || ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));

const firing = (page) => page.waitForFunction(() => document.querySelector(".figures dd")?.textContent !== "–");

/** Name of the picture; the address's hash; what to do and to wait for before it is taken. */
const pictures = [
  {
    name: "playground-neuron", hash: "#neuron", colorScheme: "dark",
    async ready(page) {
      await firing(page);
      await page.locator(".cm-content").waitFor();
      await page.getByRole("combobox", { name: "Neuron" }).selectOption("example:adaptive");
      await page.locator("canvas.membrane[aria-label*=adaptiveLif]").waitFor();
      // The engine's code is compiled by now.
      await page.getByLabel("decay", { exact: true }).focus();
      for (const key of ["ArrowLeft", "ArrowRight"].flatMap((key) => Array(8).fill(key))) {
        await page.keyboard.press(key);
        await page.waitForTimeout(60);
      }
      await page.evaluate(() => document.activeElement.blur());
      await page.locator("canvas.raster").hover({ position: { x: 370, y: 40 } });
    },
  },
  {
    name: "playground-kernels", hash: "#kernels?target=wgsl", colorScheme: "light",
    async ready(page) {
      await page.locator("#kernel-source span").first().waitFor();
      await page.locator("#panel-kernels").getByRole("combobox", { name: "Neuron" }).selectOption("example:adaptive");
      await page.locator("#kernel-source", { hasText: "adaptiveLif" }).waitFor();
    },
  },
  {
    name: "playground-train", hash: "#train", colorScheme: "light",
    async ready(page) {
      const panel = page.locator(".train");
      for (const [label, value] of [["Device", "cpu"], ["Network", "conv"], ["Learning rate", "0.003"], ["Epochs", "3"]]) await panel.getByLabel(label, { exact: true }).selectOption(value);
      await page.getByRole("button", { name: "Start" }).click();
      await page.locator(".train[data-state=finished]").waitFor({ timeout: 300_000 });
      await drawThree(page);
      await page.waitForTimeout(500);
    },
  },
  {
    name: "playground-race", hash: "#race", colorScheme: "dark",
    async ready(page) {
      await page.getByRole("button", { name: "Race", exact: true }).click();
      await page.locator(".race[data-state=done]").waitFor({ timeout: 120_000 });
      await page.waitForTimeout(5500);
    },
  },
];

/** With two arcs. */
async function drawThree(page) {
  const { x, y, width, height } = await page.getByRole("application").boundingBox();
  const arc = (middle, radius, from, to) => Array.from({ length: 24 }, (_, i) => from + ((to - from) * i) / 23).map((angle) => [x + width * (0.48 + radius * Math.cos(angle)), y + height * (middle + 0.9 * radius * Math.sin(angle))]);
  const [first, ...rest] = [...arc(0.34, 0.17, -2.7, 1.5), ...arc(0.66, 0.2, -1.6, 2.7)];
  await page.mouse.move(...first);
  await page.mouse.down();
  for (const point of rest) await page.mouse.move(...point);
  await page.mouse.up();
}

const [only] = process.argv.slice(2);
const files = mkdtempSync(join(tmpdir(), "spikefold-screenshots-"));
const config = { root: join(root, "playground"), configFile: join(root, "playground/vite.config.ts"), logLevel: "warn" };
await build({ ...config, build: { outDir: files, emptyOutDir: true } });
const server = await preview({ ...config, build: { outDir: files }, preview: { port: 0, host: "127.0.0.1" } });
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  for (const { name, hash, colorScheme, ready } of pictures) {
    if (only && !name.includes(only)) continue;
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1.25, colorScheme });
    await page.goto(server.resolvedUrls.local[0] + hash);
    await ready(page);
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    const path = join(root, "docs/images", `${name}.png`);
    await page.screenshot({ path });
    console.log(`${path}: ${Math.round(statSync(path).size / 1024)} KiB`);
    await page.close();
  }
} finally {
  await browser.close();
  await server.close();
  rmSync(files, { recursive: true, force: true });
}
process.exit(0);
