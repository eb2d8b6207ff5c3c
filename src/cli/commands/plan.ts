import { GROUP } from "../../codegen/wasm/kernel.ts";
import { defaultThreads, MAX_THREADS } from "../../device/cpu/threads.ts";
import { describePlan } from "../../fusion/print.ts";
import { plan } from "../../fusion/plan.ts";
import { describeTime, divideTime } from "../../fusion/timeParallel.ts";
import { type Command, UsageError } from "../command.ts";
import { neuronHelp, requiredNeuron } from "../neuron.ts";
import { describeOptions, type OptionTable, parseArguments } from "../options.ts";
import { print } from "../output.ts";

const options = {
  steps: { type: "integer", value: "T", minimum: 1, help: "time steps; default 32" },
  size: { type: "integer", value: "N", minimum: 1, help: "neurons, all samples and channels together: says whether the cpu runs chunks of time side by side, and why" },
  threads: { type: "integer", value: "N", minimum: 1, help: "with --size: threads of the cpu; default: as many as here" },
  inference: { type: "flag", help: "without a backward kernel" },
  json: { type: "flag", help: "print one JSON object: buffers, checkpoints, tiles, with --size the chunks of time, and the text" },
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
    const { size, threads = defaultThreads() } = values;
    if (values.threads !== undefined && size === undefined) throw new UsageError("--threads is for --size N: how N neurons run depends on it");
    if (threads > MAX_THREADS) throw new UsageError(`--threads is ${threads}: at most ${MAX_THREADS} were expected`);
    const shape = size === undefined ? null : { steps, size, threads, group: GROUP };
    const time = shape && { ...shape, forward: divideTime(planned, "forward", shape), backward: backward && divideTime(planned, "backward", shape) };
    const text = describePlan(planned) + (shape ? `\n${describeTime(planned, shape)}` : "");
    const object = { neuron: neuron.name, steps, states, checkpointEvery, tile, forward: forward.buffers, backward: backward && backward.buffers, ...(time && { time }), text };
    print(values.json, object, () => object.text);
    return 0;
  },
};
