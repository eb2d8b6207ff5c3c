// Runs a command with the stand-in for CUDA (test/cuda-stand-in) in the place of NVIDIA's libraries, on machines without a GPU:
//
//   npm run -s build && node scripts/cuda-stand-in.mjs -- node dist/cli/main.js train mnist --device cuda --limit 512 --epochs 1
//
// It needs Linux on x86-64 with g++. With STAND_IN_CHECKS=off in the environment kernels run several times faster, unchecked.
import { spawn } from "node:child_process";
import { kernelCache, standIn } from "../test/cuda-stand-in/build.mjs";

const [separator, command, ...args] = process.argv.slice(2);
if (separator !== "--" || command === undefined) {
  console.error("Usage: node scripts/cuda-stand-in.mjs -- COMMAND [ARGUMENTS]");
  process.exit(2);
}
const library = standIn();
if (library === null) {
  console.error(`There is no stand-in for CUDA here: it is built by ${process.env.STAND_IN_CXX ?? "g++"}, which does not run, and for Linux on x86-64 (this is ${process.platform} on ${process.arch}). Install g++.`);
  process.exit(1);
}
const child = spawn(command, args, { stdio: "inherit", env: { ...process.env, SPIKEFOLD_TEST: "1", SPIKEFOLD_CUDA_STAND_IN: library, XDG_CACHE_HOME: kernelCache() } });
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.on(signal, () => child.kill(signal));
child.on("error", (error) => {
  console.error(`${command} did not start: ${error.message}`);
  process.exit(1);
});
child.on("exit", (code, signal) => process.exit(signal === null ? code : 1));
