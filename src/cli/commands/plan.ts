import { describePlan } from "../../fusion/print.ts";
import { plan } from "../../fusion/plan.ts";
import type { Command } from "../command.ts";
import { neuronHelp, requiredNeuron } from "../neuron.ts";
import { describeOptions, type OptionTable, parseArguments } from "../options.ts";
import { print } from "../output.ts";

const options = {
  steps: { type: "integer", value: "T", minimum: 1, help: "time steps; default 32" },
  inference: { type: "flag", help: "without a backward kernel" },
  json: { type: "flag", help: "print one JSON object: buffers, checkpoints, tiles, and the text" },
} satisfies OptionTable;

export const planCommand: Command = {
  name: "plan",
  summary: "Print how a neuron is compiled, for no target in particular",
  usage: `Usage: spikefold plan NEURON [OPTIONS]

NEURON: ${neuronHelp}

${describeOptions(options)}
`,
  async run(args) {
    const { values, positionals } = parseArguments(options, args, 1);
    const neuron = await requiredNeuron(positionals);
    const gradients = values.inference ? [] : [...neuron.inputs, ...Object.keys(neuron.params)];
    const planned = plan({ neuron, steps: values.steps ?? 32, gradients });
    const { steps, states, checkpointEvery, tile, forward, backward } = planned;
    const object = { neuron: neuron.name, steps, states, checkpointEvery, tile, forward: forward.buffers, backward: backward && backward.buffers, text: describePlan(planned) };
    print(values.json, object, () => object.text);
    return 0;
  },
};
