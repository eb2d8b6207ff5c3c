import { describePlan } from "../../fusion/print.ts";
import { plan } from "../../fusion/plan.ts";
import type { Command } from "../command.ts";
import { neuronNames, requiredNeuron } from "../neuron.ts";
import { describeOptions, type OptionTable, parseArguments } from "../options.ts";

const options = {
  steps: { type: "integer", value: "T", minimum: 1, help: "time steps; default 32" },
  inference: { type: "flag", help: "without a backward kernel" },
} satisfies OptionTable;

export const planCommand: Command = {
  name: "plan",
  summary: "Print how a neuron is compiled, for no target in particular",
  usage: `Usage: spikefold plan NEURON [OPTIONS]

NEURON: ${neuronNames}

${describeOptions(options)}
`,
  async run(args) {
    const { values, positionals } = parseArguments(options, args, 1);
    const neuron = requiredNeuron(positionals);
    const gradients = values.inference ? [] : [...neuron.inputs, ...Object.keys(neuron.params)];
    process.stdout.write(describePlan(plan({ neuron, steps: values.steps ?? 32, gradients })));
    return 0;
  },
};
