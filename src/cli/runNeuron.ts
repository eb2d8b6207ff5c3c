import { describeStep } from "../neuron/describe.ts";
import type { Neuron } from "../neuron/define.ts";
import { neurons } from "../neuron/library/index.ts";
import * as surrogates from "../neuron/surrogate.ts";
import { fnv1a } from "../fnv.ts";
import type { ReferenceNeuron } from "../train/models.ts";
import { suggestion } from "../check.ts";
import { FileFormatError } from "../errors.ts";
import { UsageError } from "./command.ts";
import { unknownNeuron } from "./neuron.ts";
import { isNeuronFile, neuronFromFile } from "./neuronFile.ts";

/** A run's neuron as run.json keeps it: a built-in one with all its options, or a module and what its neuron computed when the run began. */
export type NeuronSettings = BuiltInSettings | { file: string; fingerprint: string };

/** The surrogate as the command line writes it: "atan:2". */
type BuiltInSettings = { name: string; surrogate?: string } & Record<string, string | number | boolean | undefined>;

const isBuiltIn = (name: unknown): name is string => typeof name === "string" && Object.hasOwn(neurons, name);

/** The options of built-in neurons that the command line takes. */
export interface NeuronValues {
  neuron?: string;
  tau?: number;
  beta?: number;
  threshold?: number;
  surrogate?: string;
}

/** The surrogates and the one option that stands behind the colon. */
const surrogateOptions = {
  atan: "alpha", sigmoid: "alpha", fastSigmoid: "slope", rectangular: "width", triangular: "slope", piecewiseQuadratic: "alpha", erf: "alpha",
  superSpike: "alpha", softSign: "alpha", piecewiseExp: "alpha", piecewiseLeakyRelu: "w", straightThrough: null, spikeRateEscape: "slope", s2nn: "alpha", multiGaussian: "sigma",
} as const;
type SurrogateName = keyof typeof surrogateOptions;
const surrogateNames = Object.keys(surrogateOptions) as SurrogateName[];

/** For the help of --surrogate. */
export const surrogateHelp = `${surrogateNames.join(", ")}, with its ${[...new Set(Object.values(surrogateOptions).filter((option) => option !== null))].join(", ")} after a colon: atan:2`;

/** Neurons that no reference has options of: those that the command line can change, as their constructors have them. */
const ownDefaults: Readonly<Record<string, Omit<BuiltInSettings, "name">>> = {
  leaky: { beta: 0.9, threshold: 1, surrogate: "atan:2" },
  synaptic: { alpha: 0.8, beta: 0.9, threshold: 1, surrogate: "atan:2" },
  lapicque: { beta: 0.9, threshold: 1, surrogate: "atan:2" },
  alpha: { alpha: 0.9, beta: 0.8, threshold: 1, surrogate: "atan:2" },
  cubaLif: { threshold: 0.5, surrogate: "rectangular:1" },
  quadraticIf: { tau: 2, threshold: 1, surrogate: "sigmoid:4" },
  exponentialIf: { tau: 2, threshold: 1, surrogate: "sigmoid:4" },
  izhikevich: { tau: 2, threshold: 1, surrogate: "sigmoid:4" },
  gatedLif: { threshold: 0.5, surrogate: "sigmoid:4" },
  integerLif: { tau: 4 / 3, threshold: 1 },
  adaptiveLif: { beta: 1.8, threshold: 1, surrogate: "fastSigmoid:100" },
  leakyIntegrator: {},
  refractoryLif: { threshold: 1, surrogate: "fastSigmoid:100" },
  adEx: { threshold: 1, surrogate: "fastSigmoid:100" },
  resonateAndFire: { threshold: 1, surrogate: "atan:2" },
};

/** What a neuron is trained with unless asked otherwise: the reference's options where it has them. */
function defaultsOf(name: string, { alpha, tau, decayInput, ...reset }: ReferenceNeuron): BuiltInSettings {
  const surrogate = `atan:${alpha}`;
  switch (name) {
    case "lif":
    case "parametricLif":
    case "klif":
    case "liaf": return { name, tau, decayInput, ...reset, surrogate };
    case "integrateAndFire": return { name, ...reset, surrogate };
    default: return { name, ...ownDefaults[name] };
  }
}

/** Of layers that are connected back to themselves: through a surrogate with heavy tails the gradients of many steps add up until neurons fire always. */
export const RECURRENT_SURROGATE = "fastSigmoid:25";

/**
 * The neuron that a command line asks for, and its settings.
 * @throws UsageError for a name that there is not, and options that the neuron does not have; else as `neuronFromFile`
 */
export async function requestedNeuron({ neuron: given = "lif", ...options }: NeuronValues, reference: ReferenceNeuron, recurrent = false): Promise<{ neuron: Neuron; settings: NeuronSettings }> {
  const named = Object.entries(options).filter(([, value]) => value !== undefined);
  if (isNeuronFile(given)) {
    if (named.length > 0) throw new UsageError(`--${named[0][0]} is for built-in neurons: write it in ${given}`);
    const neuron = await neuronFromFile(given);
    return { neuron, settings: { file: given, fingerprint: fingerprintOf(neuron) } };
  }
  if (!isBuiltIn(given)) throw unknownNeuron(given);
  const defaults = defaultsOf(given, reference);
  for (const [name] of named) if (!Object.hasOwn(defaults, name)) throw new UsageError(`--${name}: ${given} has none; it has ${Object.keys(defaults).slice(1).join(", ") || "none"}`);
  const narrow = recurrent && String(defaults.surrogate).startsWith("atan:") ? { surrogate: RECURRENT_SURROGATE } : {};
  const settings = { ...defaults, ...narrow, ...Object.fromEntries(named) } as BuiltInSettings;
  return { neuron: makeBuiltIn(settings), settings };
}

/**
 * The neuron of a run that is there.
 * @param where the run, for messages
 * @throws FileFormatError if its module computes something else than when the run began; else as `neuronFromFile`
 */
export async function storedNeuron(settings: NeuronSettings, where: string): Promise<Neuron> {
  if (!isFile(settings)) return makeBuiltIn(settings);
  const neuron = await neuronFromFile(settings.file);
  if (fingerprintOf(neuron) === settings.fingerprint) return neuron;
  throw new FileFormatError(`${settings.file} is not the neuron any more with which the run in ${where} began: restore the file, name another one that holds it by --neuron, or start a new run`);
}

export const isFile = (settings: NeuronSettings): settings is { file: string; fingerprint: string } => Object.hasOwn(settings, "file");

/** Whether a value from run.json has the parts of such settings. */
export function isNeuronSettings(value: unknown, reference: ReferenceNeuron): value is NeuronSettings {
  if (typeof value !== "object" || value === null) return false;
  const given = value as Record<string, unknown>;
  if (Object.hasOwn(given, "file")) return typeof given.file === "string" && typeof given.fingerprint === "string";
  if (!isBuiltIn(given.name)) return false;
  const defaults = defaultsOf(given.name, reference);
  const isWhole = Object.entries(defaults).every(([name, expected]) => typeof given[name] === typeof expected);
  return isWhole && (defaults.surrogate === undefined ? given.surrogate === undefined : surrogateNames.includes(String(given.surrogate).split(":")[0] as SurrogateName));
}

function makeBuiltIn({ name, surrogate, ...options }: BuiltInSettings): Neuron {
  return (neurons[name] as (options: object) => Neuron)({ ...options, ...(surrogate !== undefined && { surrogate: parseSurrogate(surrogate) }) });
}

/** A surrogate as run.json keeps it, "atan:2", of what was given, "atan". Throws UsageError for anything else. */
export function surrogateText(given: string): string {
  const { name, options } = parseSurrogate(given);
  const option = surrogateOptions[name as SurrogateName];
  return option === null ? name : `${name}:${options[option]}`;
}

function parseSurrogate(given: string): surrogates.Surrogate {
  const [name, value, ...rest] = given.split(":");
  if (!surrogateNames.includes(name as SurrogateName)) throw new UsageError(`--surrogate is ${JSON.stringify(given)}${suggestion(name, surrogateNames) || ":"} expected ${surrogateHelp}`);
  const option = surrogateOptions[name as SurrogateName];
  if (option === null) {
    if (value !== undefined) throw new UsageError(`--surrogate is ${JSON.stringify(given)}: ${name} has no number`);
    return surrogates.straightThrough();
  }
  const number = Number(value);
  if (value !== undefined && (rest.length > 0 || value.trim() === "" || !(number > 0 && Number.isFinite(number)))) throw new UsageError(`--surrogate is ${JSON.stringify(given)}: expected ${name}:${option.toUpperCase()}, a number > 0`);
  return (surrogates[name as SurrogateName] as (options: object) => surrogates.Surrogate)(value === undefined ? {} : { [option]: number });
}

/** Of all that a neuron computes, in training too. Where a learnt parameter starts is no part of it. */
function fingerprintOf(neuron: Neuron): string {
  const fixed = Object.fromEntries(Object.entries(neuron.params).filter(([name]) => !neuron.learnable.includes(name)));
  return fnv1a(new TextEncoder().encode([...describeStep(neuron, { fixed }), ...neuron.learnable].join("\n")));
}
