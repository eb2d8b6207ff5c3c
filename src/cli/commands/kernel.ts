import { emitCuda, emitWasm, emitWgsl } from "../../codegen/emit.ts";
import { plan } from "../../fusion/plan.ts";
import type { Command } from "../command.ts";
import { neuronNames, requiredNeuron } from "../neuron.ts";
import { describeOptions, type OptionTable, parseArguments } from "../options.ts";

const targets = { wasm: emitWasm, cuda: emitCuda, wgsl: emitWgsl };

const options = {
  target: { type: "text", value: "NAME", choices: Object.keys(targets), help: `${Object.keys(targets).join(", ")}; default wasm` },
  steps: { type: "integer", value: "T", minimum: 1, help: "time steps; default 32" },
  backward: { type: "flag", help: "the backward kernel instead of the forward one" },
} satisfies OptionTable;

export const kernelCommand: Command = {
  name: "kernel",
  summary: "Print the source text of a neuron's generated kernel",
  usage: `Usage: spikefold kernel NEURON [OPTIONS]

NEURON: ${neuronNames}

${describeOptions(options)}
`,
  async run(args) {
    const { values, positionals } = parseArguments(options, args, 1);
    const neuron = requiredNeuron(positionals);
    const kernels = plan({ neuron, steps: values.steps ?? 32, gradients: [...neuron.inputs, ...Object.keys(neuron.params)] });
    process.stdout.write(`${targets[(values.target ?? "wasm") as keyof typeof targets](kernels)[values.backward ? "backward" : "forward"]}\n`);
    return 0;
  },
};
