// Saves a picture of a run's report as docs/images/report.png: node scripts/screenshot-report.mjs RUN_DIR
import { chromium } from "playwright-core";
import { existsSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const [run] = process.argv.slice(2);
if (!run) throw new Error("name the directory of a run that spikefold train made");
const executablePath = process.env.CHROMIUM_PATH || ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));
const path = join(dirname(dirname(fileURLToPath(import.meta.url))), "docs/images/report.png");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const page = await browser.newPage({ viewport: { width: 1160, height: 2900 } });
  await page.goto(pathToFileURL(resolve(run, "report.html")).href);
  await page.screenshot({ path });
  console.log(`${path}: ${Math.round(statSync(path).size / 1024)} KiB`);
} finally {
  await browser.close();
}
