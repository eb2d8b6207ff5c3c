import { readFileSync } from "node:fs";

/** A recurrent layer of a peer, run by recurrent.py. */
export interface RecurrentCase {
  peer: "snntorch" | "spikingjelly";
  /** Our neuron and its options. */
  neuron: "leaky" | "synaptic" | "lif";
  options: Record<string, unknown>;
  weights: "dense" | "elementwise";
  steps: number;
  batch: number;
  hidden: number;
  /** Ours: W [from, to]. Those of a bias are absent where the peer has none. */
  arrays: Record<"weight" | "x" | "upstream" | "spikes" | "gradX" | "gradWeight", Float32Array> & Partial<Record<"bias" | "gradBias", Float32Array>>;
}

const stored = JSON.parse(readFileSync(new URL("recurrent.json", import.meta.url), "utf8")) as (Omit<RecurrentCase, "arrays"> & { arrays: Record<string, string> })[];

export const recurrentCases: RecurrentCase[] = stored.map((each) => ({
  ...each, arrays: Object.fromEntries(Object.entries(each.arrays).map(([name, base64]) => [name, new Float32Array(Uint8Array.from(Buffer.from(base64, "base64")).buffer)])) as RecurrentCase["arrays"],
}));
