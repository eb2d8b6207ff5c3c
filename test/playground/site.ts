import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { build, preview } from "vite";
import { inject } from "vitest";
import { launchChromium } from "../chromium.ts";
import { once } from "../once.ts";

const root = fileURLToPath(new URL("../../playground", import.meta.url));

/** The built playground, served on this machine, and a browser to look at it. */
export interface Site {
  readonly url: string;
  readonly browser: Browser;
  /** Where the built files are. */
  readonly files: string;
  /** Visits an address; `prepare` has the empty page before. */
  open(hash?: string, options?: BrowserContextOptions, prepare?: (page: Page) => Promise<unknown>): Promise<Visit>;
  close(): Promise<void>;
}

/** A page of its own context; `said` has its errors, and its requests that failed or went elsewhere. */
export interface Visit {
  readonly page: Page;
  readonly said: string[];
  close(): Promise<void>;
}

/** Serves the playground, built once for all test files; `webgpu` gives the browser a software GPU. */
export async function openSite({ webgpu = false } = {}): Promise<Site> {
  const config = { root, configFile: join(root, "vite.config.ts"), logLevel: "error" } as const;
  const files = await once(inject("shared"), "playground", (outDir) => build({ ...config, build: { outDir, emptyOutDir: true } }));
  const server = await preview({ ...config, build: { outDir: files }, preview: { port: 0, host: "127.0.0.1" } });
  const url = server.resolvedUrls!.local[0];
  const browser = await launchChromium({ webgpu });
  return {
    url, browser, files,
    async open(hash = "", options = {}, prepare = async () => undefined) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
      const page = await context.newPage();
      const said: string[] = [];
      page.on("console", (message) => message.type() === "error" && said.push(message.text()));
      page.on("pageerror", ({ message }) => said.push(message));
      page.on("requestfailed", (request) => said.push(`failed: ${request.url()}`));
      page.on("response", (response) => response.status() >= 400 && said.push(`${response.status()}: ${response.url()}`));
      page.on("request", (request) => /^(https?:\/\/127\.0\.0\.1|data:|blob:)/.test(request.url()) || said.push(`elsewhere: ${request.url()}`));
      await prepare(page);
      await page.goto(url + hash);
      return { page, said, close: () => context.close() };
    },
    async close() {
      await browser.close();
      await server.close();
    },
  };
}

/** The bench's firing rate, when it is another than `before`. */
export async function firingRate(page: Page, before?: number): Promise<number> {
  const read = (): Promise<number> => page.locator(".figures dd").first().evaluate((dd) => parseFloat(dd.textContent ?? ""));
  for (const end = Date.now() + 8000; ; await page.waitForTimeout(30)) {
    const rate = await read();
    if (!Number.isNaN(rate) && rate !== before) return rate;
    if (Date.now() > end) throw new Error(`the firing rate stays ${rate}`);
  }
}
