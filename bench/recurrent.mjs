// Forward and backward of a recurrent layer, hidden 256: ours, and with --snntorch and --spikingjelly theirs on the same machine, taking turns in one run:
//   node bench/recurrent.mjs [--device cpu|cuda] [--snntorch DIR --spikingjelly DIR --python PATH] [--repetitions 10] [--threads N] [--batch 64] [--steps 250] [--scaling]
// All have the same work: x [T, B, 700] of 0 and 1 with 7 % ones, a linear layer 700 → 256, the recurrent layer, gradients of all weights for given gradients of the spikes.
// --scaling: ours alone for T from 100 to 2000, taking turns. Prints one JSON object. See bench/peers/README.md for the checkouts and PyTorch.
import { spawn } from "node:child_process";
import { availableParallelism, cpus } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { clearGradients, leaky, linear, Model, openDevice, Random, recurrent, sequential, Tape } from "spikefold";

const { values } = parseArgs({
  options: {
    device: { type: "string", default: "cpu" }, snntorch: { type: "string" }, spikingjelly: { type: "string" }, python: { type: "string", default: "python3" }, repetitions: { type: "string", default: "10" },
    threads: { type: "string" }, batch: { type: "string", default: "64" }, steps: { type: "string", default: "250" }, hidden: { type: "string", default: "256" }, scaling: { type: "boolean", default: false },
  },
});
const [inputs, density] = [700, 0.07];
const [batch, steps, hidden, repetitions] = [values.batch, values.steps, values.hidden, values.repetitions].map(Number);
const threads = values.threads ? Number(values.threads) : availableParallelism();
if (values.device !== "cpu" && values.device !== "cuda") throw new Error("--device cpu or cuda was expected");
const device = values.device === "cpu" ? await openDevice("cpu", { threads }) : await openDevice("cuda");

/** @param {number} T */
function prepare(T) {
  const body = sequential(linear(inputs, hidden), recurrent(leaky({ beta: 0.9, threshold: 0.5 })));
  const model = Model.build(body, { device, inputShape: [inputs], steps: T, random: new Random(1) });
  const random = new Random(2);
  const x = device.tensor(Float32Array.from({ length: T * batch * inputs }, () => (random.uniform() < density ? 1 : 0)), [T, batch, inputs]);
  const seed = device.tensor(Float32Array.from({ length: T * batch * hidden }, () => random.normal()), [T, batch, hidden]);
  const step = async () => {
    const tape = new Tape(device, { steps: T, training: true });
    const start = performance.now();
    const spikes = model.forward(tape, tape.input(x));
    void spikes.value;
    await device.synchronize();
    const between = performance.now();
    tape.backward(spikes, seed);
    await device.synchronize();
    const end = performance.now();
    clearGradients(model.parameters());
    tape.dispose();
    return { total: end - start, forward: between - start, backward: end - between };
  };
  return { step, model, x, seed };
}

/** @param {readonly number[]} numbers */
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
/** @param {readonly number[]} numbers */
const range = (numbers) => ({ median: median(numbers), minimum: Math.min(...numbers), maximum: Math.max(...numbers) });
const machine = { processor: cpus()[0]?.model, threads: values.device === "cpu" ? threads : undefined, node: process.version, device: device.description };

if (values.scaling) {
  const lengths = [100, 250, 500, 1000, 2000];
  const runs = lengths.map((T) => ({ T, ...prepare(T), times: /** @type {number[]} */ ([]) }));
  for (const { step } of runs) await step();
  for (let i = 0; i < repetitions; i++) for (const { step, times, T } of runs) times.push((1000 * (await step()).total) / T);
  console.log(JSON.stringify({ batch, hidden, inputs, density, machine, microsecondsPerStep: runs.map(({ T, times }) => ({ T, ...range(times) })) }));
} else {
  const { step } = prepare(steps);
  for (let i = 0; i < 3; i++) await step();
  const ours = { total: /** @type {number[]} */ ([]), forward: /** @type {number[]} */ ([]), backward: /** @type {number[]} */ ([]) };
  const before = device.time;
  /** @type {Record<string, number[]>} */
  const theirs = {};
  /** @type {Record<string, number>} */
  const rates = {};
  const peers = values.snntorch && values.spikingjelly ? await startPeers(values.snntorch, values.spikingjelly) : undefined;
  for (let i = 0; i < repetitions; i++) {
    const times = await step();
    for (const part of /** @type {const} */ (["total", "forward", "backward"])) ours[part].push(times[part]);
    if (peers) for (const name of ["snntorch", "spikingjelly"]) {
      const [milliseconds, rate] = await peers.run(name);
      (theirs[name] ??= []).push(milliseconds);
      rates[name] = rate;
    }
  }
  const after = device.time;
  peers?.stop();
  const mine = Object.fromEntries(Object.entries(ours).map(([part, times]) => [part, range(times)]));
  console.log(JSON.stringify({
    steps, batch, hidden, inputs, density, machine, torch: peers?.version, ours: mine, share: after && before && { dense: (after.dense - before.dense) / repetitions, neuron: (after.neuron - before.neuron) / repetitions },
    peers: Object.fromEntries(Object.entries(theirs).map(([name, times]) => [name, { ...range(times), firingRate: rates[name], ratio: median(times) / median(ours.total), least: Math.min(...times) / Math.min(...ours.total) }])),
  }));
}
await device.dispose();

/** @param {string} snntorch @param {string} spikingjelly */
async function startPeers(snntorch, spikingjelly) {
  const script = fileURLToPath(new URL("peers/recurrent_step.py", import.meta.url));
  const sizes = ["--steps", steps, "--batch", batch, "--hidden", hidden, "--inputs", inputs, "--density", density, "--threads", threads, "--device", values.device].map(String);
  const child = spawn(values.python, [script, "--snntorch", snntorch, "--spikingjelly", spikingjelly, ...sizes], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => String((await lines.next()).value);
  let text = await line();
  while (!text.startsWith("ready")) text = await line();
  return {
    version: text.slice("ready ".length),
    run: async (/** @type {string} */ name) => {
      child.stdin.write(`${name}\n`);
      return (await line()).split(" ").map(Number);
    },
    stop: () => void child.stdin.end(),
  };
}
