import { exportPython, type PythonTarget } from "../../python/index.ts";
import { writeFileAtomic } from "../../train/atomic.ts";
import { type Command, UsageError } from "../command.ts";
import { neuronHelp, requiredNeuron } from "../neuron.ts";
import { describeOptions, type OptionTable, parseArguments } from "../options.ts";
import { print } from "../output.ts";

const targets = ["jax", "pytorch"] as const satisfies PythonTarget[];

const options = {
  to: { type: "text", value: "NAME", choices: targets, help: "jax or pytorch" },
  out: { type: "text", value: "FILE.py", help: "write it there, instead of to standard output" },
  json: { type: "flag", help: "print one JSON object: the source text and what it is of" },
} satisfies OptionTable;

export const exportCommand: Command = {
  name: "export",
  summary: "Write a neuron as a Python module, for JAX or PyTorch",
  usage: `Usage: spikefold export NEURON --to jax|pytorch [OPTIONS]

NEURON: ${neuronHelp}

${describeOptions(options)}
`,
  async run(args) {
    const { values, positionals } = parseArguments(options, args, 1);
    const neuron = await requiredNeuron(positionals);
    const { to, out } = values;
    if (to === undefined) throw new UsageError("export needs --to: jax or pytorch");
    const source = exportPython(neuron, { to: to as PythonTarget });
    if (out !== undefined) await writeFileAtomic(out, source);
    print(values.json, { neuron: neuron.name, to, ...(out === undefined ? { source } : { out }) }, () => (out === undefined ? source : `${out}: ${neuron.name} for ${to}\n`));
    return 0;
  },
};
