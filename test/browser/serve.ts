import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";
import type { Site } from "./bundle.ts";

export interface Served {
  /** With a slash at its end. */
  url: string;
  close(): Promise<void>;
}

const TYPES: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".wasm": "application/wasm", ".json": "application/json", ".svg": "image/svg+xml" };

/** Serves a site on a free port of this machine; `isolated` by the headers that give its pages shared memory, `policy` as its Content-Security-Policy. */
export async function serve(site: Site, { isolated = false, policy }: { isolated?: boolean; policy?: string } = {}): Promise<Served> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, "http://localhost");
    const path = decodeURIComponent(pathname.endsWith("/") ? `${pathname}index.html` : pathname);
    const contents = site.get(path);
    if (isolated) response.setHeader("Cross-Origin-Opener-Policy", "same-origin").setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    if (policy) response.setHeader("Content-Security-Policy", policy);
    if (!contents) response.writeHead(404).end();
    else response.setHeader("Content-Type", TYPES[extname(path)] ?? "application/octet-stream").end(contents);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}
