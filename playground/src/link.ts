import { targets } from "./engine/protocol.ts";
import { initialState, type OptionValue, POPULATION, type State } from "./state.ts";

/** A setting in an address: how it is found in the state, and which values are right. */
interface Setting<Value extends OptionValue> {
  read(state: State): Value;
  write(state: State, value: Value): State;
  parse(text: string): Value | undefined;
}

const within = (low: number, high: number, whole = false) => (text: string): number | undefined => {
  const value = Number(text);
  return text.trim() !== "" && value >= low && value <= high && (!whole || Number.isInteger(value)) ? value : undefined;
};
const oneOf = <T extends string>(words: readonly T[]) => (text: string): T | undefined => words.find((word) => word === text);

function input<K extends keyof State["input"]>(key: K, parse: (text: string) => State["input"][K] | undefined): Setting<State["input"][K]> {
  return { read: ({ input }) => input[key], write: (state, value) => ({ ...state, input: { ...state.input, [key]: value } }), parse };
}
function kernels<K extends keyof State["kernels"]>(key: K, parse: (text: string) => State["kernels"][K] | undefined): Setting<State["kernels"][K]> {
  return { read: ({ kernels }) => kernels[key], write: (state, value) => ({ ...state, kernels: { ...state.kernels, [key]: value } }), parse };
}
function plain<K extends "neuron" | "code" | "steps" | "shown">(key: K, parse: (text: string) => State[K] | undefined): Setting<State[K]> {
  return { read: (state) => state[key], write: (state, value) => ({ ...state, [key]: value }), parse };
}

/** Bounds of what may be typed or linked to. */
export const bounds = { steps: [10, 500], amplitude: [-1000, 1000], period: [2, 500], rate: [0, 1], jitter: [0, 1000], seed: [0, 999_999], kernelSteps: [1, 4096] } as const;

const settings = {
  neuron: plain("neuron", oneOf(["lif", "integrateAndFire", "parametricLif", "leaky", "synaptic", "code"])),
  code: plain("code", (text) => text),
  T: plain("steps", within(...bounds.steps, true)),
  shown: plain("shown", within(0, POPULATION - 1, true)),
  input: input("kind", oneOf(["constant", "noise", "sine", "pulses", "poisson"])),
  amplitude: input("amplitude", within(...bounds.amplitude)),
  period: input("period", within(...bounds.period)),
  rate: input("rate", within(...bounds.rate)),
  noise: input("jitter", within(...bounds.jitter)),
  seed: input("seed", within(...bounds.seed, true)),
  target: kernels("target", oneOf(targets)),
  direction: kernels("direction", oneOf(["forward", "backward"])),
  steps: kernels("steps", within(...bounds.kernelSteps, true)),
  inputs: kernels("inputs", oneOf(["f32", "f16", "bf16"])),
  spikes: kernels("spikes", oneOf(["f32", "f16", "bf16", "u8", "bits"])),
} as Record<string, Setting<OptionValue>>;

/** The part of an address after "#": the panel, and the settings that differ from the page's first ones. */
export function toHash(panel: string, state: State): string {
  const query = new URLSearchParams();
  for (const [name, { read }] of Object.entries(settings)) {
    if (read(state) !== read(initialState) && (name !== "code" || state.neuron === "code")) query.set(name, String(read(state)));
  }
  // The first neuron has options of its own; others than those are there where the address names the neuron.
  if (state.neuron !== "code" && JSON.stringify([state.neuron, state.options]) !== JSON.stringify([initialState.neuron, initialState.options])) {
    query.set("neuron", state.neuron);
    for (const [name, value] of Object.entries(state.options)) query.set(`o.${name}`, JSON.stringify(value));
  }
  if (state.neuron === "code") for (const [name, value] of Object.entries(state.params)) query.set(`p.${name}`, String(value));
  return query.size > 0 ? `${panel}?${query}` : panel;
}

/** The panel and the settings of an address; what is not right in it is left as the page's first. */
export function fromHash(hash: string): { panel: string; state: State } {
  const [panel, text = ""] = hash.replace(/^#/, "").split("?", 2);
  const query = new URLSearchParams(text);
  let state: State = initialState;
  for (const [name, { parse, write }] of Object.entries(settings)) {
    const value = query.has(name) ? parse(query.get(name)!) : undefined;
    if (value !== undefined) state = write(state, value);
  }
  const given = (prefix: string): [string, string][] => [...query].filter(([name]) => name.startsWith(prefix)).map(([name, value]) => [name.slice(prefix.length), value]);
  const options = Object.fromEntries(given("o.").flatMap(([name, value]) => (isOption(value) ? [[name, JSON.parse(value) as OptionValue]] : [])));
  const params = Object.fromEntries(given("p.").flatMap(([name, value]) => (Number.isFinite(Number(value)) ? [[name, Number(value)]] : [])));
  return { panel, state: { ...state, options: query.has("neuron") ? options : initialState.options, params } };
}

const isOption = (text: string): boolean => /^(true|false|-?\d+(\.\d+)?(e[+-]?\d+)?|"\w*")$/.test(text);
