// One training step of ours and of SpikingJelly's torch backend on the same machine, taking turns in one run:
//   node bench/against-spikingjelly.mjs --spikingjelly DIR [--python PATH] [--model mlp|conv] [--repetitions N] [--threads N] [--static-first]
// See bench/peers/README.md for the checkout and PyTorch that it needs. Prints one JSON object.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openDevice } from "spikefold";
import { benchTrain } from "../dist/bench/train.js";

const { values } = parseArgs({
  options: {
    spikingjelly: { type: "string" }, python: { type: "string", default: "python3" }, model: { type: "string", default: "mlp" },
    repetitions: { type: "string", default: "20" }, threads: { type: "string" }, "static-first": { type: "boolean" },
  },
});
const { python, model, spikingjelly } = values;
if (!spikingjelly || (model !== "mlp" && model !== "conv")) throw new Error("usage: --spikingjelly DIR --model mlp|conv; see the head of this file");

const script = fileURLToPath(new URL("peers/train_step.py", import.meta.url));
const flags = [...(values.threads ? ["--threads", values.threads] : []), ...(values["static-first"] ? ["--static-first"] : [])];
const peer = spawn(python, [script, "--spikingjelly", spikingjelly, "--model", model, "--serve", ...flags], { stdio: ["pipe", "pipe", "inherit"] });
const lines = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
const line = async () => (await lines.next()).value;

while ((await line()) !== "ready");
const device = await openDevice("cpu");
/** @type {number[]} */
const times = [];
const ours = await benchTrain({
  model, device, repetitions: Number(values.repetitions),
  alternate: async () => {
    peer.stdin.write("\n");
    times.push(Number.parseFloat(await line()));
  },
});
peer.stdin.end();
await device.dispose();

const sorted = times.toSorted((a, b) => a - b);
const peerMs = sorted[sorted.length >> 1];
console.log(JSON.stringify({ ...ours, peer: "spikingjelly", peerMs, peerMinimum: sorted[0], peerMaximum: sorted.at(-1), ratio: ours.fusedMs / peerMs }));
