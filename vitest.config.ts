import { defineConfig } from "vitest/config";
import type { Reporter } from "vitest/reporters";

const seed = process.env.SPIKEFOLD_TEST_SEED ?? String(Math.floor(Math.random() * 2 ** 32));

/** Says which sample of the tests this is (test/sample.ts). */
const sampling: Reporter = {
  onInit: () => console.log(`a sample of the tests: SPIKEFOLD_TEST_SEED=${seed} takes the same again, npm run test:all takes all`),
  onTestRunEnd: (_files, _errors, reason) => {
    if (reason === "failed") console.log(`the sample was that of SPIKEFOLD_TEST_SEED=${seed}`);
  },
};

// `npm run test:all` is the mode "all".
export default defineConfig(({ mode }) => ({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/once.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    env: mode === "all" ? { SPIKEFOLD_TEST_ALL: "1" } : { SPIKEFOLD_TEST_SEED: seed },
    reporters: mode === "all" ? ["default"] : ["default", sampling],
  },
}));
