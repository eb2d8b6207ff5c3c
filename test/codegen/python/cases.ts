import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { interpretBackward, interpretForward } from "../../../src/codegen/interpreter.ts";
import { generalPlan } from "../../../src/codegen/python/export.ts";
import { moduleNames, pythonName } from "../../../src/codegen/python/names.ts";
import { Random } from "../../../src/data/index.ts";
import { plan } from "../../../src/fusion/plan.ts";
import type { Neuron } from "../../../src/neuron/index.ts";
import type { OperationName } from "../../../src/neuron/ops.ts";
import { exportPython, type PythonTarget } from "../../../src/python/index.ts";

/** Neurons of a sample, and the samples: x[t] is [SAMPLES, CHANNELS]. */
const [SAMPLES, CHANNELS] = [15, 7];

const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** A folder that goes when the test file ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "spikefold-python-"));
  folders.push(folder);
  return folder;
}

/** Writes each neuron's module, and for each length a run of it by the interpreter: arguments, results and gradients, for `check.py` to compare with. */
export function writeCases(target: PythonTarget, neurons: Readonly<Record<string, Neuron>>, lengths: readonly number[]): string {
  const folder = temporaryFolder();
  const parts: Float32Array[] = [];
  let at = 0;
  const store = (data: Float32Array): [number, number] => {
    parts.push(data);
    return [(at += data.length) - data.length, data.length];
  };
  const cases = Object.entries(neurons).flatMap(([name, neuron], i) => {
    writeFileSync(join(folder, `neuron_${i}.py`), exportPython(neuron, { to: target }));
    return lengths.map((steps, j) => {
      const { states, buffers } = reference(neuron, steps, j % 2 === 0 ? "channel" : "layer", new Random(1000 * i + steps));
      return {
        name, module: `neuron_${i}`, function: moduleNames(neuron.name).function, steps, shape: [steps, SAMPLES, CHANNELS],
        inputs: neuron.inputs, outputs: neuron.outputs, states, params: Object.fromEntries(Object.keys(neuron.params).map((param) => [param, pythonName(param)])),
        buffers: Object.fromEntries(Object.entries(buffers).map(([buffer, data]) => [buffer, store(data)])),
      };
    });
  });
  writeFileSync(join(folder, "cases.json"), JSON.stringify(cases));
  writeFileSync(join(folder, "cases.bin"), Buffer.concat(parts.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength))));
  return folder;
}

/** A run forward and backward, with all that can be given and asked for. */
function reference(neuron: Neuron, steps: number, extent: "channel" | "layer", random: Random) {
  const size = SAMPLES * CHANNELS;
  const states = Object.keys(neuron.state);
  const params = Object.keys(neuron.params);
  const kernels = plan({
    neuron, steps, params: Object.fromEntries(params.map((name) => [name, extent])), record: states, initialState: true, finalState: true,
    gradients: [...neuron.inputs, ...params, ...states.map((name) => `state.${name}`)],
    seeds: Object.fromEntries([...neuron.outputs.map((name) => [name, "varying"]), ...states.flatMap((name) => [[`trace.${name}`, "varying"], [`final.${name}`, "constant"]])]),
  });
  const noise = (length: number, scale: number, mean: number): Float32Array => Float32Array.from({ length }, () => random.normal() * scale + mean);
  const buffers: Record<string, Float32Array> = {};
  for (const { name, direction, time, extent: of } of [...kernels.forward.buffers, ...kernels.backward!.buffers]) {
    if (name in buffers) continue;
    const length = (time === "varying" ? steps : time === "checkpoint" ? Math.ceil(steps / kernels.checkpointEvery!) - 1 : 1) * (of === "neuron" ? size : of === "channel" ? CHANNELS : 1);
    const [what, state] = name.split(".");
    buffers[name] = direction === "out" ? new Float32Array(length)
      : what in neuron.params ? noise(length, 0.05 * Math.abs(neuron.params[what]), neuron.params[what])
        : what === "state" ? noise(length, 0.2, neuron.state[state]) : what.startsWith("d") && state !== undefined ? noise(length, 1, 0) : noise(length, 0.6, 0.4);
  }
  const launch = { steps, size, channels: CHANNELS, buffers };
  interpretForward(kernels, launch);
  interpretBackward(kernels, launch);
  return { states, buffers };
}

const mathOperations = new Set<string>(["exp", "expm1", "log", "log1p", "tanh", "sigmoid", "sin", "cos", "atan", "erf"] satisfies OperationName[]);

/** Whether a step computes what libraries round in their own ways. */
function computesMath(neuron: Neuron): boolean {
  const { forward } = generalPlan(neuron);
  return [forward.prologue, forward.step].some(({ values }) => values.some((value) => value.kind === "operation" && mathOperations.has(value.op)));
}

/** A line that `report` of cases.py prints. */
interface Compared {
  name: string;
  steps: number;
  differing: string[];
  far: number;
  gradients: Record<string, number>;
}

/**
 * What is wrong with a run of `check_*.py`: spikes and states are the interpreter's bit for bit, but for a step that computes exp and the like, and gradients
 * within 1e-5 of the largest (an element's own error is larger where terms cancel).
 */
export function failuresOf(printed: string, neurons: Readonly<Record<string, Neuron>>, lengths: readonly number[]): string[] {
  const compared = printed.trim().split("\n").map((line) => JSON.parse(line) as Compared);
  const expected = Object.keys(neurons).flatMap((name) => lengths.map((steps) => `${name} ${steps}`));
  const missing = expected.filter((each) => !compared.some(({ name, steps }) => `${name} ${steps}` === each)).map((each) => `${each} did not run`);
  return [...missing, ...compared.flatMap(({ name, steps, differing, far, gradients }) => {
    const at = `${name}, T = ${steps}: `;
    const differs = computesMath(neurons[name]) ? far > 0 : differing.length > 0;
    return [...(differs ? [`${at}${differing.join(", ")} differ`] : []), ...Object.entries(gradients).filter(([, error]) => !(error <= 1e-5)).map(([gradient, error]) => `${at}${gradient} differs by ${error}`)];
  })];
}
