import { describePlan } from "../../fusion/print.ts";
import { plan } from "../../fusion/plan.ts";
import { neuronByName, neurons } from "../../neuron/index.ts";
import { type Command, UsageError } from "../command.ts";
import { describeOptions, type OptionTable, parseArguments } from "../options.ts";

const options = {
  steps: { type: "integer", value: "T", minimum: 1, help: "time steps; default 32" },
  inference: { type: "flag", help: "without a backward kernel" },
} satisfies OptionTable;

export const planCommand: Command = {
  name: "plan",
  summary: "Print how a neuron is compiled, for no target in particular",
  usage: `Usage: spikefold plan NEURON [OPTIONS]

NEURON: ${Object.keys(neurons).join(", ")}

${describeOptions(options)}
`,
  async run(args) {
    const { values, positionals } = parseArguments(options, args, 1);
    if (positionals[0] === undefined) throw new UsageError(`which neuron? ${Object.keys(neurons).join(", ")}`);
    const neuron = neuronByName(positionals[0]);
    const gradients = values.inference ? [] : [...neuron.inputs, ...Object.keys(neuron.params)];
    process.stdout.write(describePlan(plan({ neuron, steps: values.steps ?? 32, gradients })));
    return 0;
  },
};
