import { elements } from "../../nn/axes.ts";
import type { Layer } from "../../nn/layer.ts";
import { recurrent } from "../../nn/recurrent.ts";
import { spiking } from "../../nn/spiking.ts";
import { atan } from "../../neuron/surrogate.ts";
import type { Neuron } from "../../neuron/define.ts";
import { discretise, split } from "./discretise.ts";
import type { Fields } from "./fields.ts";
import type { NodeType } from "./graph.ts";
import type { Signal } from "./layout.ts";
import { type DynamicType, delayNeuron, dynamicNeuron, DYNAMICS, type FiringRule, LONGEST_DELAY, scaleNeuron, thresholdNeuron } from "./neurons.ts";
import { agrees, layerForm, type NeuronNote, readNote } from "./note.ts";
import { NoForm } from "./outcomes.ts";

/** What the nodes of a file are read with. */
export interface Reading {
  /** Seconds of a step. */
  readonly dt: number;
  /** What the caller wants of neurons that fire, whatever the file says. */
  readonly wanted: Partial<FiringRule>;
  /** What was done that the file does not say, for people. */
  readonly rules: string[];
  /** The nodes that read a node. */
  consumers(name: string): readonly Fields[];
}

/** Connections of a layer of neurons back to itself. */
export interface Loop {
  readonly weights: "dense" | "elementwise";
  /** [H, H], row = from, column = to; or one value for each neuron. */
  readonly weight: Float32Array;
  readonly bias?: Float32Array;
}

export const isDynamic = (type: NodeType): type is DynamicType => Object.hasOwn(DYNAMICS, type);

/** What NIR says, and of surrogate gradients, which it does not speak of, the default of snnTorch. */
const NIR_RULE: FiringRule = { reset: "hard", resetDelay: false, strict: true, surrogate: atan() };

const channelsOf = ({ shape: [first] }: Signal): number => first;

interface Neurons {
  readonly neuron: Neuron;
  readonly fixed: Readonly<Record<string, Float32Array>>;
  readonly learn?: readonly string[];
  readonly perChannel?: readonly string[];
  /** First values of what is learnt. */
  readonly values?: readonly Float32Array[];
}

/** The layer of a node that is computed neuron by neuron: one with states, Threshold, Scale or Delay. */
export function neuronLayer(fields: Fields, input: Signal, reading: Reading, loop?: Loop): { layer: Layer; signal: Signal; values: readonly Float32Array[] } {
  const { neuron, fixed, learn = [], perChannel = [], values = [] } = neuronsOf(fields, input, reading);
  const options = { learn, perChannel, fixed };
  if (!loop) return { layer: spiking(neuron, options), signal: input, values };
  const { weights, weight, bias } = loop;
  const channels = channelsOf(input);
  if (weights === "elementwise" && Object.values(fixed).some(({ length }) => length > channels)) fields.fail("reads itself elementwise and has values that differ within a channel: here one of the two can be had");
  return { layer: recurrent(neuron, { ...options, weights, bias: bias !== undefined }), signal: input, values: [weight, ...(bias ? [bias] : []), ...values] };
}

function neuronsOf(fields: Fields, input: Signal, reading: Reading): Neurons {
  const { name, type, metadata } = fields.node;
  const { dt, rules, wanted } = reading;
  const channels = channelsOf(input);
  const said = readNote(metadata);
  const kept = said?.note && Object.keys(wanted).length === 0 ? restored(fields, input, reading, said.note) : undefined;
  if (kept) {
    rules.push(`${name} (${type}): the neuron ${kept.neuron.name} as its metadata have it`);
    return kept;
  }
  const rule: FiringRule = { ...NIR_RULE, ...said?.rule, ...wanted };
  const made = (make: (same: Record<string, number>) => Neuron, params: Record<string, Float64Array>): Neurons => {
    const large = Object.entries(params).find(([, values]) => !values.every((value) => Number.isFinite(Math.fround(value))));
    if (large) fields.fail(`has values that make a ${large[0]} beyond float32`);
    const { same, fixed } = split(params, channels);
    return { neuron: make(same), fixed };
  };
  if (type === "Scale") return made(({ scale }) => scaleNeuron(scale), { scale: fields.perNeuron("scale", input) });
  if (type === "Threshold") return made(({ threshold }) => thresholdNeuron(threshold, rule), { threshold: fields.perNeuron("threshold", input) });
  if (type === "Delay") return delays(fields, input, reading);
  const params = discretise(fields, type as DynamicType, input, dt);
  const result = made((same) => dynamicNeuron(type as DynamicType, same, rule), params);
  rules.push(`${name} (${type}): ${[...Object.entries(result.neuron.params).map(([param, value]) => `${param} ${param in result.fixed ? "of each" : short(value)}`), ...(DYNAMICS[type as DynamicType].fires ? [firingText(rule)] : [])].join(", ")}`);
  return result;
}

function firingText({ reset, resetDelay, strict, surrogate }: FiringRule): string {
  const when = resetDelay ? ", in the step after" : "";
  const resets = { hard: `a spike sets v to v_reset${when}`, soft: `a spike takes the threshold from v${when}`, none: "a spike resets nothing" };
  return `fires where v ${strict ? ">" : "≥"} threshold, ${resets[reset]}, surrogate ${surrogate.name}`;
}

const short = (value: number): string => String(Number(value.toPrecision(7)));

/** The neuron of a note, if it is what the fields say at this dt. */
function restored(fields: Fields, input: Signal, { dt, rules }: Reading, note: NeuronNote): Neurons | undefined {
  const { name, type } = fields.node;
  const { neuron, learn, perChannel, values } = note;
  try {
    const form = layerForm(neuron, values, elements(input.shape), dt);
    const given = Object.fromEntries(Object.keys(form.fields).map((field) => [field, field === "v_reset" && !fields.has(field) ? new Float64Array(elements(input.shape)) : fields.perNeuron(field, input)]));
    if (agrees(form, type, given)) {
      const fixed = Object.fromEntries(Object.entries(values).filter(([param]) => !learn.includes(param)));
      return { neuron, fixed, learn, perChannel, values: learn.map((param) => values[param]) };
    }
  } catch (error) {
    if (!(error instanceof NoForm)) throw error;
  }
  rules.push(`${name} (${type}): its metadata have the neuron ${neuron.name} of another dt or other values; the fields are taken, and how it fires from the metadata`);
  return undefined;
}

/** How far a delay may be from a whole number of steps: what f32 and a decimal dt leave. */
const FRACTION = 1e-3;

function delays(fields: Fields, input: Signal, { dt, rules }: Reading): Neurons {
  const { name } = fields.node;
  const steps = fields.perNeuron("delay", input).map((delay) => {
    const exact = delay / dt;
    if (!(exact >= 0 && exact < LONGEST_DELAY + 0.5)) fields.fail(`has the delay ${delay} s, ${exact} steps of ${dt} s: expected 0 … ${LONGEST_DELAY} steps`);
    if (Math.abs(exact - Math.round(exact)) > FRACTION) fields.fail(`has the delay ${delay} s, ${short(exact)} steps of ${dt} s: expected a whole number of steps; take a dt that divides it`);
    return Math.round(exact);
  });
  const { same, fixed } = split({ steps }, channelsOf(input));
  const longest = steps.reduce((a, b) => Math.max(a, b));
  rules.push(`${name} (Delay): ${"steps" in fixed ? `up to ${longest}` : longest} steps`);
  return { neuron: delayNeuron(same.steps, "steps" in fixed ? longest : undefined), fixed };
}
