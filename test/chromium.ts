import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

/** An installed Chromium: the one that CHROMIUM_PATH names, or one where Linux distributions put it. */
export const chromiumPath =
  process.env.CHROMIUM_PATH || ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));

/** The name of tests in a browser: says why they are skipped, where they are. */
export const needsChromium = (name: string): string =>
  chromiumPath ? name : `${name} (skipped: needs Chromium, in /usr/bin or where CHROMIUM_PATH says)`;

/** A browser without a window that talks to nobody by itself; `webgpu` gives it a software GPU, in pages and workers. */
export const launchChromium = ({ webgpu = false } = {}): Promise<Browser> =>
  chromium.launch({
    executablePath: chromiumPath,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
      ...(webgpu ? ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"] : []),
    ],
  });
