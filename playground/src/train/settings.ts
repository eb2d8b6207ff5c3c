import type { DeviceChoice, NeuronSource } from "../compute/protocol.ts";

export type NetworkName = "mlp" | "deep" | "conv";
export type EncoderName = "constant" | "poissonRate";

/** All that a training follows from. */
export interface TrainSettings {
  device: DeviceChoice;
  network: NetworkName;
  /** A preset's name, or "bench": that of the neuron panel. */
  neuronName: string;
  neuron: NeuronSource;
  /** T */
  steps: number;
  learningRate: number;
  batchSize: number;
  encoder: EncoderName;
  /** Training images. */
  images: number;
  epochs: number;
  /** Whether images are moved by up to two pixels at random. */
  shift: boolean;
}

export const networks: Readonly<Record<NetworkName, string>> = {
  mlp: "784–256–10",
  deep: "784–256–128–10",
  conv: "8C3–P2–16C3–P2–10",
};

/** Neurons to choose from. */
export const neurons: Readonly<Record<string, string>> = {
  lif: "LIF",
  parametricLif: "Parametric LIF (tau is learnt)",
  leaky: "Leaky (snnTorch)",
};

/** A neuron with options that train well on images: batch norm drives neurons harder than images do, so that they take their input divided by tau. */
export function sourceFor(neuron: string, network: NetworkName): string {
  if (neuron === "leaky") return "leaky({ beta: 0.7 })";
  return `${neuron}({ ${network === "conv" ? "" : "decayInput: false, "}reset: "soft", detachReset: true, surrogate: surrogate.atan() })`;
}

export const encoders: Readonly<Record<EncoderName, string>> = { constant: "constant", poissonRate: "Poisson" };

/** What can be chosen. */
export const choices = {
  steps: [4, 8, 16, 32],
  batchSize: [16, 32, 64, 128, 256],
  learningRate: [0.0003, 0.001, 0.003, 0.01],
  images: [1000, 4000, 12_000],
  epochs: [1, 3, 5, 10, 20],
} as const;

export const initialSettings: TrainSettings = {
  device: "webgpu", network: "deep", neuronName: "lif", neuron: { source: sourceFor("lif", "deep"), params: {} },
  steps: 16, learningRate: 0.001, batchSize: 64, encoder: "constant", images: 12_000, epochs: 10, shift: true,
};

/** Settings as notes in a file of weights, and back; what is missing or not right in a file is left as it was. */
export const toNotes = (settings: TrainSettings): Record<string, string> => ({ playground: JSON.stringify(settings) });

export function fromNotes({ playground }: Readonly<Record<string, string>>, settings: TrainSettings): TrainSettings {
  if (playground === undefined) return settings;
  let found: Record<string, unknown>;
  try {
    found = Object(JSON.parse(playground)) as Record<string, unknown>;
  } catch {
    return settings;
  }
  const { neuron: given, device: _, ...rest } = found;
  const right = (name: string, value: unknown): boolean =>
    name === "neuronName" ? value === "bench" || Object.hasOwn(neurons, value as string)
    : name === "network" ? Object.hasOwn(networks, value as string)
    : name === "encoder" ? Object.hasOwn(encoders, value as string)
    : name === "shift" ? typeof value === "boolean"
    : Object.hasOwn(choices, name) && (choices[name as keyof typeof choices] as readonly unknown[]).includes(value);
  const restored = { ...settings, ...Object.fromEntries(Object.entries(rest).filter(([name, value]) => right(name, value))) };
  const neuron = isNeuronSource(given) ? given : settings.neuron;
  return { ...restored, neuron };
}

function isNeuronSource(value: unknown): value is NeuronSource {
  const { source, params } = Object(value) as Partial<NeuronSource>;
  return typeof source === "string" && Object.values(Object(params) as object).every((number) => typeof number === "number");
}
