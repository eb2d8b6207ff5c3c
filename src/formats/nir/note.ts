import { oneOf, flag } from "../../check.ts";
import type { Neuron } from "../../neuron/define.ts";
import { leaf } from "../../neuron/expr.ts";
import { isNear } from "./affine.ts";
import { formOf, type NirForm } from "./form.ts";
import type { NodeType } from "./graph.ts";
import type { FiringRule } from "./neurons.ts";
import { refuse } from "./outcomes.ts";
import { restoreNeuron, restoreSurrogate, storeNeuron, type StoredNeuron, type StoredSurrogate, storeSurrogate } from "./storedNeuron.ts";
import { isNumbers, isTree, type NumberArray, type Tree } from "./tree.ts";

/** What this library writes into a node's metadata, under its name: what NIR cannot say of a layer of neurons, and its step to the bit. */
export interface NeuronNote {
  readonly neuron: Neuron;
  readonly learn: readonly string[];
  readonly perChannel: readonly string[];
  /** Values of the parameters that are learnt, or that differ from neuron to neuron; the latter in the order of ours. */
  readonly values: Readonly<Record<string, Float32Array>>;
  readonly rule?: FiringRule;
  /** Of a recurrent layer. */
  readonly weights?: "dense" | "elementwise";
}

/** The name under which metadata are ours. */
export const OURS = "spikefold";
const VALUES = "spikefold_values";

export function writeNote({ neuron, learn, perChannel, values, rule, weights }: NeuronNote): Tree {
  const said = { version: 1, reset: rule?.reset, resetDelay: rule?.resetDelay, strict: rule?.strict, surrogate: rule && storeSurrogate(rule.surrogate), weights, learn, perChannel, neuron: storeNeuron(neuron) };
  return { [OURS]: JSON.stringify(said), ...(Object.keys(values).length > 0 ? { [VALUES]: Object.fromEntries(Object.entries(values).map(([name, data]) => [name, { shape: [data.length], data }])) } : {}) };
}

/** What is said of how a neuron fires, and, if it can be restored, the neuron. Undefined: nothing that can be read. */
export function readNote(metadata: Tree): { rule: Partial<FiringRule>; note?: NeuronNote } | undefined {
  const text = metadata[OURS];
  if (typeof text !== "string") return undefined;
  try {
    const said = JSON.parse(text) as Record<string, unknown>;
    const surrogate = said.surrogate ? restoreSurrogate(said.surrogate as StoredSurrogate) : undefined;
    // What is no derivative shows here, not when a kernel is made.
    surrogate?.derivative(leaf("input", "u"));
    const rule: Partial<FiringRule> = {
      ...(oneOf("hard", "soft", "none").accepts(said.reset) ? { reset: said.reset as FiringRule["reset"] } : {}),
      ...(flag.accepts(said.resetDelay) ? { resetDelay: said.resetDelay as boolean } : {}),
      ...(flag.accepts(said.strict) ? { strict: said.strict as boolean } : {}),
      ...(surrogate ? { surrogate } : {}),
    };
    return { rule, note: noteOf(said, metadata[VALUES]) };
  } catch {
    return undefined;
  }
}

function noteOf(said: Record<string, unknown>, values: Tree[string] | undefined): NeuronNote | undefined {
  try {
    const arrays = isTree(values) ? Object.entries(values).filter((entry): entry is [string, NumberArray] => isNumbers(entry[1])) : [];
    const stored = Object.fromEntries(arrays.map(([name, { data }]) => [name, Float32Array.from(data)]));
    const [learn, perChannel] = [said.learn, said.perChannel] as string[][];
    if (![...learn, ...perChannel].every((name) => Object.hasOwn(stored, name))) return undefined;
    return {
      neuron: restoreNeuron(said.neuron as StoredNeuron), learn, perChannel, values: stored,
      ...(said.weights === "elementwise" ? { weights: said.weights } : {}),
    };
  } catch {
    return undefined;
  }
}

/** The form of all neurons of a layer: fields have a value for each, in our order. */
export interface LayerForm extends Omit<NirForm, "fields"> {
  readonly fields: Readonly<Record<string, Float64Array>>;
}

/**
 * The form in NIR of a layer of `size` neurons.
 * @param values of parameters that differ from the neuron's definition: neuron n has value n mod length
 * @throws NoForm, saying why, for neurons that NIR has no node for
 */
export function layerForm(neuron: Neuron, values: Readonly<Record<string, Float32Array>>, size: number, dt: number): LayerForm {
  const entries = Object.entries(values);
  const period = Math.max(1, ...entries.map(([, { length }]) => length));
  const known = new Map<string, NirForm>();
  const forms = Array.from({ length: period }, (_, n) => {
    const own = entries.map(([name, data]): [string, number] => [name, data[n % data.length]]);
    const key = own.map(([, value]) => value).join();
    const form = known.get(key) ?? formOf(neuron, { ...neuron.params, ...Object.fromEntries(own) }, dt);
    known.set(key, form);
    return form;
  });
  const { type, rule, unsaid } = typical(forms);
  const names = Object.keys(forms[0].fields);
  return { type, rule, unsaid, fields: Object.fromEntries(names.map((name) => [name, Float64Array.from({ length: size }, (_, n) => forms[n % period].fields[name])])) };
}

function typical(forms: readonly NirForm[]): NirForm {
  const types = [...new Set(forms.map(({ type }) => type))];
  return types.length === 1 ? forms[0] : refuse(`its neurons are of several types: ${types.join(", ")}`);
}

/** Whether a note says of a node what its fields say, as far as f32 tells: they may have been written anew by somebody else. */
export function agrees(form: LayerForm, type: NodeType, fields: Readonly<Record<string, Float64Array>>): boolean {
  return form.type === type && Object.entries(form.fields).every(([name, values]) => fields[name]?.every((value, n) => isNear(value, values[n])));
}
