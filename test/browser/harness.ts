import type { Page } from "playwright-core";
import { launchChromium } from "../chromium.ts";
import { bundle, EXPORTS, type Site } from "./bundle.ts";
import { serve } from "./serve.ts";

export interface PageOptions {
  /** Whether the page is cross-origin isolated, which gives it shared memory. Default false. */
  isolated?: boolean;
  /** The Content-Security-Policy. Default: none. */
  policy?: string;
  /** Whether there is a GPU, a software one. Default false. */
  webgpu?: boolean;
}

export interface OpenPage {
  page: Page;
  /** The page's address. */
  url: string;
  /** Errors on the console and in scripts, requests that failed, so far. What is in it at the end fails the test. */
  problems: string[];
}

/** An open page of a bundled module. */
export interface ModulePage<Exports> extends OpenPage {
  /** Calls a function that the module exports, in the page; arguments and result travel as JSON. */
  call<Name extends keyof Exports>(name: Name, ...args: Exports[Name] extends (...args: infer A) => unknown ? A : never):
    Promise<Exports[Name] extends (...args: never[]) => infer R ? Awaited<R> : never>;
}

/**
 * Opens a site's index page in headless Chromium, awaits `use` and closes everything.
 * @throws Error with the page's problems, if any were left
 */
export async function withSite<T>(site: Site, { isolated, policy, webgpu }: PageOptions, use: (open: OpenPage) => Promise<T>): Promise<T> {
  const server = await serve(site, { isolated, policy });
  try {
    const browser = await launchChromium({ webgpu });
    try {
      const page = await browser.newPage();
      const problems = watch(page);
      await page.goto(server.url);
      const result = await use({ page, url: server.url, problems });
      if (problems.length > 0) throw new Error(`the page had problems:\n${problems.join("\n")}`);
      return result;
    } finally {
      await browser.close();
    }
  } finally {
    await server.close();
  }
}

/** Bundles a module, opens a page that holds it and awaits `use`, as `withSite` does; `files` are served beside it. */
export async function withModule<Exports, T = void>(
  entry: URL, { files, ...options }: PageOptions & { files?: Site }, use: (open: ModulePage<Exports>) => Promise<T>,
): Promise<T> {
  const { site } = await bundle(entry);
  return withSite(new Map([...site, ...(files ?? [])]), options, async (open) => {
    const { page } = open;
    await page.waitForFunction((key) => key in globalThis, EXPORTS);
    return use({
      ...open,
      call: (name, ...args) => page.evaluate(
        ([key, each, values]) => (globalThis as unknown as Record<string, Record<PropertyKey, (...args: unknown[]) => never>>)[key][each](...values),
        [EXPORTS, name, args] as const,
      ),
    });
  });
}

function watch(page: Page): string[] {
  const problems: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(`console ${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`error: ${error.stack ?? error.message}`));
  page.on("requestfailed", (request) => problems.push(`request failed: ${request.url()} ${request.failure()?.errorText ?? ""}`));
  page.on("response", (response) => {
    if (response.status() >= 400) problems.push(`HTTP ${response.status()}: ${response.url()}`);
  });
  return problems;
}
