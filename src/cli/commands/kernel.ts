import { emitWasm } from "../../codegen/wasm/emit.ts";
import { plan } from "../../fusion/plan.ts";
import { neuronByName, neurons } from "../../neuron/index.ts";
import { type Command, UsageError } from "../command.ts";
import { describeOptions, type OptionTable, parseArguments } from "../options.ts";

const targets = ["wasm"];

const options = {
  target: { type: "text", value: "NAME", choices: targets, help: `${targets.join(" or ")}; default wasm` },
  steps: { type: "integer", value: "T", minimum: 1, help: "time steps; default 32" },
  backward: { type: "flag", help: "the backward kernel instead of the forward one" },
} satisfies OptionTable;

export const kernelCommand: Command = {
  name: "kernel",
  summary: "Print the source text of a neuron's generated kernel",
  usage: `Usage: spikefold kernel NEURON [OPTIONS]

NEURON: ${Object.keys(neurons).join(", ")}

${describeOptions(options)}
`,
  async run(args) {
    const { values, positionals } = parseArguments(options, args, 1);
    if (positionals[0] === undefined) throw new UsageError(`which neuron? ${Object.keys(neurons).join(", ")}`);
    const neuron = neuronByName(positionals[0]);
    const kernels = plan({ neuron, steps: values.steps ?? 32, gradients: [...neuron.inputs, ...Object.keys(neuron.params)] });
    process.stdout.write(`${emitWasm(kernels, [values.backward ? "backward" : "forward"]).text}\n`);
    return 0;
  },
};
