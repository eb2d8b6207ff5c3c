import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gatedLif, klif, leaky, lif, type ModuleNames, parametricLif, synaptic, type TorchLibrary } from "../../src/index.ts";
import {
  batchNorm2d, conv2d, flatten, type Layer, linear, maxPool2d, type Model, Recorder, recurrent, sequential, sewResnet18, spikeCount, spiking, spikingResnet18, Tape, tdBN,
} from "../../src/nn/index.ts";
import { product, read } from "../nn/helpers.ts";
import { uniform } from "./models.ts";

/** A network of a peer in evaluation, whose state dict stateDicts.py wrote, and the same network here. */
export interface StateDictCase {
  name: string;
  library: TorchLibrary;
  build: () => Layer;
  names?: ModuleNames;
  /** The state dict; of the ResNets, which are large, there is none. */
  file?: string;
  seed: number;
  /** There, [C, H, W]. */
  shape: number[];
  steps: number;
  batch: number;
}

/** What such a network computes. */
export interface StateDictResult {
  /** Of each layer: its spikes with the channels last, as bits. */
  spikes: string[];
  /** Spikes of the last layer, [B, K], or the ResNets' logits. */
  outputs: number[];
}

const directory = new URL("stateDicts/", import.meta.url);
const json = (file: string): unknown => JSON.parse(readFileSync(new URL(file, directory), "utf8"));
const stored = json("cases.json") as Record<string, Pick<StateDictCase, "seed" | "shape" | "steps" | "batch"> & { file: string } & StateDictResult>;

/** Names and shapes of SpikingJelly's networks, by our names of them. */
export const stateNames = json("names.json") as Record<string, [name: string, shape: number[]][]>;

const made: (Pick<StateDictCase, "name" | "library" | "build" | "names">)[] = [
  {
    name: "snntorch-conv", library: "snntorch",
    build: () => sequential(
      conv2d(2, 4, { kernel: 3, padding: 1 }), maxPool2d(2), spiking(leaky({ beta: 0.5, threshold: 0.5 })),
      conv2d(4, 6, { kernel: 3, stride: 2, groups: 2 }), spiking(leaky({ reset: "zero", learnable: ["beta"] }), { perChannel: ["beta"] }),
      flatten(), linear(36, 10), spiking(leaky({ learnable: ["beta", "threshold"] })), spikeCount(),
    ),
  },
  {
    name: "snntorch-mlp", library: "snntorch", names: ["fc1", "lif1", "fc2", "lif2", "fc3", "lif3", "fc4", "lif4"],
    build: () => sequential(
      linear(20, 16), spiking(leaky({ learnable: ["beta"] }), { perChannel: ["beta"] }), linear(16, 12, { bias: false }), recurrent(leaky({ beta: 0.75 })),
      linear(12, 8), recurrent(synaptic({ alpha: 0.5, beta: 0.75 }), { weights: "elementwise", bias: false }), linear(8, 5), spiking(synaptic({ alpha: 0.6, beta: 0.7, threshold: 0.5, reset: "none" })), spikeCount(),
    ),
  },
  {
    name: "spikingjelly-plif", library: "spikingjelly",
    build: () => sequential(
      conv2d(2, 6, { kernel: 3, padding: 1, bias: false }), batchNorm2d(6), spiking(parametricLif({ threshold: 0.5 })),
      sequential(maxPool2d(2), tdBN(6), spiking(lif({ threshold: 0.25, reset: "soft" }))),
      flatten(), batchNorm2d(72), linear(72, 10), spiking(klif({ tau: 1.5, threshold: 0.5 })), linear(10, 7), spiking(gatedLif({ steps: 5 })), spikeCount(),
    ),
  },
];

/** With what the peer computed. */
export const smallCases: (StateDictCase & StateDictResult & { file: string })[] = made.map((each) => ({ ...each, ...stored[each.name], file: fileURLToPath(new URL(stored[each.name].file, directory)) }));

export const resnetCases: StateDictCase[] = [["sewResnet18", sewResnet18] as const, ["spikingResnet18", spikingResnet18] as const]
  .map(([name, make]) => ({ name, library: "spikingjelly", build: () => make({ classes: 10 }), seed: stored[name].seed, shape: [3, 32, 32], steps: 2, batch: 2 }));

/** [H, W, C]. */
export const shapeHere = ({ shape: [channels, ...map] }: StateDictCase): number[] => [...map, channels];

/** The input [T, B, H, W, C] of a case. */
export function inputOf({ name, seed, steps, batch, shape }: StateDictCase): Float32Array {
  const draw = uniform(seed, 65535);
  const [channels, ...map] = shape;
  const [size, positions] = [product(shape), product(map)];
  const isResnet = /Resnet/.test(name);
  return Float32Array.from({ length: steps * batch * size }, (_, i) => {
    const [sample, position, channel] = [Math.floor(i / size), Math.floor((i % size) / channels), i % channels];
    const x = draw(sample * size + channel * positions + position) + 1;
    return isResnet ? x / 2 : x * 0.8;
  });
}

/** A pass in evaluation. */
export async function evaluate(model: Model, given: StateDictCase): Promise<StateDictResult> {
  const { device } = model;
  using x = device.tensor(inputOf(given), [given.steps, given.batch, ...shapeHere(given)]);
  using recorder = new Recorder({ spikes: true });
  using tape = new Tape(device, { steps: given.steps, training: false, recorder });
  const outputs = [...(await read(model.forward(tape, tape.input(x)).value))];
  const spikes = (await recorder.records()).map((record) => createHash("sha256").update(bits(record.spikes)).digest("hex"));
  return { spikes, outputs };
}

/** The first value is the lowest bit. */
function bits(spikes: Float32Array): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(spikes.length / 8));
  spikes.forEach((spike, i) => (bytes[i >> 3] |= spike << (i & 7)));
  return bytes;
}
