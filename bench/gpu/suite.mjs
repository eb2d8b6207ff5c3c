// The tests' conformance suite as one file of plain JavaScript, for machines without TypeScript: a pack has it as suite.js.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const packed = fileURLToPath(new URL("suite.js", import.meta.url));

/**
 * @typedef {typeof import("../../test/conformance/cases.ts") & typeof import("../../test/conformance/check.ts") & typeof import("../../test/device/cuda/operations.ts")} Suite
 */

/** @returns {Promise<Suite>} */
export async function loadSuite() {
  if (existsSync(packed)) return import(pathToFileURL(packed).href);
  const folder = mkdtempSync(join(tmpdir(), "suite-"));
  try {
    const file = join(folder, "suite.mjs");
    writeFileSync(file, await bundleSuite(pathToFileURL(join(root, "dist")).href));
    return await import(pathToFileURL(file).href);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @param {string} dist where the built package is, for imports */
export async function bundleSuite(dist) {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    stdin: { contents: ["conformance/cases", "conformance/check", "device/cuda/operations"].map((name) => `export * from "./test/${name}.ts";`).join("\n"), resolveDir: root, loader: "ts" },
    bundle: true, format: "esm", platform: "node", target: "node20", write: false,
    plugins: [{
      name: "package",
      setup({ onResolve, onLoad }) {
        onResolve({ filter: /\/src\/.*\.ts$/ }, ({ path }) => ({ path: `${dist}/${path.replace(/^.*\/src\//, "").replace(/\.ts$/, ".js")}`, external: true }));
        // Its assertions are for tests: what is used here throws none.
        onResolve({ filter: /^vitest$/ }, () => ({ path: "vitest", namespace: "none" }));
        onLoad({ filter: /.*/, namespace: "none" }, () => ({ contents: "export const expect = undefined;" }));
      },
    }],
  });
  return outputFiles[0].text;
}
