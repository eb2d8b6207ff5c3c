import { emitCuda, emitWasm, emitWgsl } from "../../codegen/emit.ts";
import { plan } from "../../fusion/plan.ts";
import type { Command } from "../command.ts";
import { neuronHelp, requiredNeuron } from "../neuron.ts";
import { describeOptions, type OptionTable, parseArguments } from "../options.ts";
import { print } from "../output.ts";

const targets = { wasm: emitWasm, cuda: emitCuda, wgsl: emitWgsl };

const options = {
  target: { type: "text", value: "NAME", choices: Object.keys(targets), help: `${Object.keys(targets).join(", ")}; default wasm` },
  steps: { type: "integer", value: "T", minimum: 1, help: "time steps; default 32" },
  backward: { type: "flag", help: "the backward kernel instead of the forward one" },
  json: { type: "flag", help: "print one JSON object: the source text and what it is of" },
} satisfies OptionTable;

export const kernelCommand: Command = {
  name: "kernel",
  summary: "Print the source text of a neuron's generated kernel",
  usage: `Usage: spikefold kernel NEURON [OPTIONS]

NEURON: ${neuronHelp}

${describeOptions(options)}
`,
  async run(args) {
    const { values, positionals } = parseArguments(options, args, 1);
    const neuron = await requiredNeuron(positionals);
    const { target = "wasm", steps = 32 } = values;
    const kernel = values.backward ? "backward" : "forward";
    const kernels = plan({ neuron, steps, gradients: [...neuron.inputs, ...Object.keys(neuron.params)] });
    const source = targets[target as keyof typeof targets](kernels)[kernel];
    print(values.json, { neuron: neuron.name, target, steps, kernel, source }, () => `${source}\n`);
    return 0;
  },
};
