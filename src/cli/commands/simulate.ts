import { Random } from "../../data/random.ts";
import { simulate } from "../../device/index.ts";
import type { Command } from "../command.ts";
import { neuronHelp, requiredNeuron } from "../neuron.ts";
import { describeOptions, type OptionTable, parseArguments } from "../options.ts";
import { print } from "../output.ts";
import { openNamedDevice } from "../run.ts";

const options = {
  steps: { type: "integer", value: "T", minimum: 1, help: "time steps; default 72" },
  neurons: { type: "integer", value: "N", minimum: 1, help: "default 8" },
  current: { type: "number", value: "I", help: "mean input; default 0.6" },
  noise: { type: "number", value: "S", minimum: 0, help: "standard deviation of the input; default 0.8" },
  seed: { type: "integer", value: "N", minimum: 0, help: "default 0" },
  device: { type: "text", value: "NAME", help: "cpu, …; default auto, which says what it chose" },
  stepwise: { type: "flag", help: "one launch per time step instead of one for all" },
  json: { type: "flag", help: "print spikes and states as one JSON object" },
} satisfies OptionTable;

export const simulateCommand: Command = {
  name: "simulate",
  summary: "Run neurons on a noisy current and draw their spikes",
  usage: `Usage: spikefold simulate NEURON [OPTIONS]

NEURON: ${neuronHelp}

${describeOptions(options)}
`,
  async run(args) {
    const { values, positionals } = parseArguments(options, args, 1);
    const neuron = await requiredNeuron(positionals);
    const { steps = 72, neurons: size = 8, current = 0.6, noise = 0.8, seed = 0, stepwise } = values;
    const random = new Random(seed);
    const input = new Float32Array(steps * size);
    for (let i = 0; i < input.length; i++) input[i] = current + noise * random.normal();
    const device = await openNamedDevice(values.device);
    try {
      const { spikes, traces } = await simulate(neuron, input, { steps, device, stepwise, record: Object.keys(neuron.state) });
      const rows = (data: Float32Array): number[][] => Array.from({ length: size }, (_, n) => Array.from({ length: steps }, (_unused, t) => data[t * size + n]));
      const states = Object.fromEntries(Object.entries(traces).map(([name, trace]) => [name, rows(trace)]));
      print(values.json, { neuron: neuron.name, steps, neurons: size, spikes: rows(spikes), states }, () => draw(rows(spikes), states));
      return 0;
    } finally {
      await device.dispose();
    }
  },
};

/** The raster of all neurons, one line each, and the first one's membrane, or what other state comes first. */
function draw(spikes: number[][], states: Record<string, number[][]>): string {
  const raster = spikes.map((row, n) => `${String(n).padStart(4)} ${row.map((s) => (s ? "│" : "·")).join("")}  ${row.reduce((a, b) => a + b, 0)} spikes`);
  const name = Object.hasOwn(states, "v") ? "v" : Object.keys(states)[0];
  return [...raster, ...(name === undefined ? [] : [curve(name, states[name][0])]), ""].join("\n");
}

function curve(name: string, values: number[]): string {
  const levels = "▁▂▃▄▅▆▇█";
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const bar = values.map((v) => levels[Math.min(7, Math.floor(((v - low) / (high - low || 1)) * 8))]).join("");
  return `${name.padStart(4)} ${bar}  neuron 0, ${low.toFixed(2)} to ${high.toFixed(2)}`;
}
