import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { mnist } from "./mnistPlugin.ts";

/** What a page must be served with for WebAssembly threads (cross-origin isolation). */
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  plugins: [mnist()],
  build: { target: "es2022", outDir: "dist", emptyOutDir: true, modulePreload: { polyfill: false } },
  worker: { format: "es" },
  server: { headers, fs: { allow: [".."] } },
  preview: { headers },
});
