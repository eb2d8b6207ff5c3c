// Kills a training run at random moments, resumes it each time, and compares its weights with those of an undisturbed run:
//
//   npm run -s build && node scripts/kill-test.mjs
//
// The MLP on 12 800 images of MNIST, two epochs, a checkpoint every ten updates, ten kills.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeSafetensors } from "../dist/train/safetensors.js";

const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

/**
 * Throws unless the killed run ends with the same weights and optimiser state, byte for byte, as the undisturbed one.
 * @param {object} test
 * @param {number} test.kills how often to kill
 * @param {string[]} test.options of `spikefold train mnist`
 * @param {(line: string) => void} [test.log]
 * @returns {Promise<number>} tensors compared
 */
export async function killTest({ kills, options, log = () => {} }) {
  const directory = mkdtempSync(join(tmpdir(), "spikefold-kill-"));
  const [whole, killed] = ["whole", "killed"].map((name) => join(directory, name));
  try {
    const start = performance.now();
    await train(whole, options);
    const duration = performance.now() - start;
    log(`undisturbed: ${(duration / 1000).toFixed(1)} s`);
    for (let done = 0; done < kills; ) {
      const delay = duration * (0.05 + 0.6 * Math.random());
      if (await train(killed, options, delay)) {
        compare(whole, killed);
        rmSync(killed, { recursive: true });
        log("ended before the kill, with the same weights; from the start");
      } else log(`kill ${++done} after ${(delay / 1000).toFixed(2)} s: ${stepsOf(killed)}`);
    }
    await train(killed, options);
    return compare(whole, killed);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/**
 * Starts or resumes the run in a directory; kills it after `delay` milliseconds. Resolves to whether it ended by itself.
 * @param {string} directory
 * @param {string[]} options
 * @param {number} [delay]
 * @returns {Promise<boolean>}
 */
function train(directory, options, delay) {
  const begun = existsSync(join(directory, "run.json"));
  const child = spawn(process.execPath, [main, "train", "mnist", ...options, begun ? "--resume" : "--out", directory], { stdio: ["ignore", "ignore", "pipe"] });
  let output = "";
  child.stderr.on("data", (text) => (output += text));
  const timer = delay === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), delay);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      if (code === 0 || signal === "SIGKILL") resolve(code === 0);
      else reject(new Error(`spikefold train ended with ${code ?? signal}: ${output}`));
    });
  });
}

/** @param {string} problem @returns {never} */
const fail = (problem) => {
  throw new Error(problem);
};

/** @param {string} path */
const tensorsIn = (path) => decodeSafetensors(readFileSync(path), path).tensors;

/** @param {string} directory */
function stepsOf(directory) {
  const path = fileOf(directory, "checkpoint");
  return path ? `checkpoint of step ${tensorsIn(path)["history.loss"].data.length}` : "no checkpoint yet";
}

/**
 * The path of a file that run.json lists, if it does.
 * @param {string} directory
 * @param {string} key
 * @returns {string | undefined}
 */
function fileOf(directory, key) {
  const manifest = join(directory, "run.json");
  const listed = existsSync(manifest) ? JSON.parse(readFileSync(manifest, "utf8")).files[key] : undefined;
  return listed && join(directory, listed.name);
}

/**
 * @param {string} whole
 * @param {string} killed
 */
function compare(whole, killed) {
  let count = 0;
  for (const file of ["model", "checkpoint"]) {
    const [expected, actual] = [whole, killed].map((directory) => tensorsIn(fileOf(directory, file) ?? fail(`${directory} has no ${file}`)));
    if (Object.keys(expected).join() !== Object.keys(actual).join()) throw new Error(`${file}: the tensors' names differ`);
    for (const [name, { data }] of Object.entries(expected)) {
      if (Buffer.compare(Buffer.from(data.buffer), Buffer.from(actual[name].data.buffer)) !== 0) throw new Error(`${file}: ${name} differs`);
      count++;
    }
  }
  return count;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const options = ["--limit", "12800", "--epochs", "2", "--checkpoint", "10"];
  const tensors = await killTest({ kills: 10, options, log: (line) => console.log(line) });
  console.log(`the same weights as undisturbed: ${tensors} tensors equal, byte for byte`);
}
