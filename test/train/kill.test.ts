import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import { thorough } from "../sample.ts";

const built = existsSync(new URL("../../dist/cli/main.js", import.meta.url));

it("ends with the same weights, byte for byte, however often it is killed", async () => {
  expect(built, "dist/ is missing: npm run build").toBe(true);
  const { killTest } = await import("../../scripts/kill-test.mjs");
  const options = ["--limit", "128", "--batch", "16", "--epochs", "2", "--checkpoint", "1"];
  expect(await killTest({ kills: thorough ? 3 : 1, options })).toBeGreaterThan(20);
});
