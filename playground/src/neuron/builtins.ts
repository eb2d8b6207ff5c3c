import type { OptionValue, State } from "../state.ts";

/** An option of a built-in neuron, as a control of the page. */
export type Option = { name: string; label: string; title?: string } & (
  | { kind: "number"; default: number; min: number; max: number; step: number }
  | { kind: "choice"; default: string; choices: readonly (readonly [string, string])[] }
  | { kind: "flag"; default: boolean }
);

const number = (name: string, label: string, initial: number, min: number, max: number, step: number, title?: string): Option => ({ kind: "number", name, label, default: initial, min, max, step, title });

const threshold = number("threshold", "threshold", 1, 0.1, 3, 0.01, "The potential at which the neuron fires");
const tau = number("tau", "tau", 2, 1.1, 20, 0.1, "Membrane time constant, in steps");
const vReset = number("vReset", "vReset", 0, -1, 1, 0.01, "The membrane after a spike, where the reset is hard");
const beta = number("beta", "beta", 0.9, 0, 1, 0.005, "Decay of the membrane in one step");
const alpha = number("alpha", "alpha", 0.8, 0, 1, 0.005, "Decay of the synaptic current in one step");
const reset: Option = { kind: "choice", name: "reset", label: "reset", default: "hard", choices: [["hard", "hard: to vReset"], ["soft", "soft: minus threshold"]] };
const decayInput: Option = { kind: "flag", name: "decayInput", label: "decayInput", default: true, title: "The input is divided by tau too" };
const detachReset: Option = { kind: "flag", name: "detachReset", label: "detachReset", default: false, title: "The gradient ignores the spike inside the reset" };
const delayedReset: Option = { kind: "choice", name: "reset", label: "reset", default: "subtract", choices: [["subtract", "subtract"], ["zero", "zero"], ["none", "none"]] };

/** Surrogates: their scale's name and first value. */
const surrogates: Readonly<Record<string, { scale: string; first: number; max: number }>> = {
  sigmoid: { scale: "alpha", first: 4, max: 12 },
  atan: { scale: "alpha", first: 2, max: 8 },
  fastSigmoid: { scale: "slope", first: 25, max: 50 },
  rectangular: { scale: "width", first: 1, max: 4 },
  triangular: { scale: "slope", first: 1, max: 4 },
  piecewiseQuadratic: { scale: "alpha", first: 1, max: 4 },
  erf: { scale: "alpha", first: 2, max: 8 },
};

const surrogate = (initial: string): Option => ({ kind: "choice", name: "surrogate", label: "surrogate", default: initial, choices: Object.keys(surrogates).map((name) => [name, name]) });

/** The built-in neurons and their options; a surrogate's scale follows it. */
export const builtins: Readonly<Record<string, { title: string; options: readonly Option[] }>> = {
  lif: { title: "Leaky integrate-and-fire", options: [tau, threshold, reset, vReset, surrogate("sigmoid"), decayInput, detachReset] },
  integrateAndFire: { title: "Integrate-and-fire", options: [threshold, vReset, reset, surrogate("sigmoid"), detachReset] },
  parametricLif: { title: "Parametric LIF", options: [tau, threshold, reset, vReset, surrogate("sigmoid"), decayInput, detachReset] },
  leaky: { title: "Leaky (snnTorch)", options: [beta, threshold, delayedReset, surrogate("atan")] },
  synaptic: { title: "Synaptic (snnTorch)", options: [alpha, beta, threshold, delayedReset, surrogate("atan")] },
};

/** The options of a built-in neuron as they are set, with the scale of the chosen surrogate after it. */
export function optionsOf({ neuron, options }: State): { option: Option; value: OptionValue }[] {
  return builtins[neuron].options.flatMap((option) => {
    const value = valueOf(option, options);
    if (option.name !== "surrogate") return [{ option, value }];
    const { scale, first, max } = surrogates[value as string];
    const scaleOption = number("scale", `${value} ${scale}`, first, max / 100, max, max / 100, `The surrogate's ${scale}`);
    return [{ option, value }, { option: scaleOption, value: valueOf(scaleOption, options) }];
  });
}

/** An option's value as set, if it is of the right kind. */
function valueOf(option: Option, options: State["options"]): OptionValue {
  const value = Object.hasOwn(options, option.name) ? options[option.name] : option.default;
  const right = typeof value === typeof option.default && (option.kind !== "choice" || option.choices.some(([word]) => word === value));
  return right ? value : option.default;
}

/** The text that defines the neuron of a state. */
export function sourceOf(state: State): string {
  if (state.neuron === "code") return state.code;
  const set = optionsOf(state);
  const entries = set.flatMap(({ option, value }) => {
    if (option.name === "scale") return [];
    if (option.name !== "surrogate") return value === option.default ? [] : [`${option.name}: ${JSON.stringify(value)}`];
    const scale = set.find((other) => other.option.name === "scale")!;
    return value === option.default && scale.value === scale.option.default ? [] : [`surrogate: surrogate.${value}({ ${surrogates[value as string].scale}: ${scale.value} })`];
  });
  return `${state.neuron}(${entries.length > 0 ? `{ ${entries.join(", ")} }` : ""})`;
}
