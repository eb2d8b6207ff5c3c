import { benchNeuron, type NeuronBench } from "../../bench/neuron.ts";
import { neuronByName, neurons } from "../../neuron/index.ts";
import { type Command, UsageError } from "../command.ts";
import { describeOptions, type OptionTable, parseArguments } from "../options.ts";
import { openNamedDevice } from "../run.ts";

const neuronOptions = {
  neuron: { type: "text", value: "NAME", choices: Object.keys(neurons), help: `${Object.keys(neurons).join(", ")}; default lif` },
  steps: { type: "integer", value: "T", minimum: 1, help: "time steps; default 32" },
  neurons: { type: "integer", value: "N", minimum: 1, help: "default 65536" },
  repetitions: { type: "integer", value: "N", minimum: 1, help: "default 20" },
  device: { type: "text", value: "NAME", help: "cpu, …; default auto, which says what it chose" },
  json: { type: "flag", help: "print one JSON object" },
} satisfies OptionTable;

export const benchCommand: Command = {
  name: "bench",
  summary: "Time fused kernels against one launch per time step",
  usage: `Usage: spikefold bench neuron [OPTIONS]

One neuron population, forward and backward, fused against stepped through jax-js, beside a plain copy:

${describeOptions(neuronOptions)}
`,
  async run([what, ...args]) {
    if (what === "neuron") return neuron(args);
    throw new UsageError("bench what? neuron or train");
  },
};

async function neuron(args: string[]): Promise<number> {
  const { values } = parseArguments(neuronOptions, args);
  const device = await openNamedDevice(values.device);
  try {
    const { neuron: name = "lif", steps = 32, neurons: count = 65536, repetitions } = values;
    const result = await benchNeuron({ neuron: neuronByName(name), steps, neurons: count, device, repetitions });
    process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : describe(result));
    return 0;
  } finally {
    await device.dispose();
  }
}

function describe({ device, neuron: name, steps, neurons: count, firingRate, copyGBs, ...directions }: NeuronBench): string {
  const row = (label: string): string => {
    const { fusedMs, stepwiseMs, speedup, GBs } = directions[label as "forward"];
    return `${label.padEnd(10)}${fusedMs.toFixed(2).padStart(10)}${stepwiseMs.toFixed(1).padStart(13)}${`${speedup.toFixed(1)}×`.padStart(10)}${GBs.toFixed(1).padStart(8)}${`${((100 * GBs) / copyGBs).toFixed(0)} %`.padStart(9)}`;
  };
  return `${name}, T = ${steps}, ${count} neurons, ${(100 * firingRate).toFixed(1)} % firing; ${device}; a copy reaches ${copyGBs.toFixed(1)} GB/s

            fused ms  stepwise ms  speed-up    GB/s  of copy
${["forward", "backward", "both"].map(row).join("\n")}
`;
}
