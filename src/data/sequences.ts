import { checkArgument, checkOptions, func, integer, kind, listOf, object, type OptionKinds, required, show, text } from "../check.ts";
import { OptionError, ShapeError } from "../errors.ts";
import { type ImageDataset, type LabelArray, labelsKind } from "./dataset.ts";
import { firstNotFinite, positionOf } from "./finite.ts";

/** A signal over time: floats, or bytes, which are counts of spikes or events. Both are taken as they are. */
export type SequenceArray = Float32Array | Uint8Array;

/** Labelled signals over time, of equal or unequal length. */
export interface SequenceDataset {
  /** For people: "SHD train". */
  readonly name: string;
  readonly count: number;
  readonly classes: number;
  /** One name for each class, where the classes have names. */
  readonly classNames?: readonly string[];
  /** Of one time step: [700], [34, 34, 2]. */
  readonly shape: readonly number[];
  /** T_i, the number of time steps of each sample: [count], each at least 1. */
  readonly lengths: Uint32Array;
  /** [count], each below `classes`. */
  readonly labels: LabelArray;
  /** Of a sample that has a label at each step: those, [T_i]. */
  readonly stepLabels?: (index: number) => LabelArray;
  /** [T_i, ...shape], time-major. What it returns is read, not kept or changed. It may be called for several samples before the first is there. */
  sequence(index: number): SequenceArray | Promise<SequenceArray>;
}

/** What training, evaluation and prediction take. */
export type Dataset = ImageDataset | SequenceDataset;

export const isSequences = (dataset: Dataset): dataset is SequenceDataset => object.accepts(dataset) && "sequence" in dataset;

const lengthsKind = kind("a Uint32Array, the number of time steps of each sample, each at least 1", (x) => x instanceof Uint32Array && x.every((length) => length >= 1));
const shapeKind = kind("the lengths of the axes of one time step, [700] or [34, 34, 2]", (x) => Array.isArray(x) && x.length > 0 && x.every((length) => Number.isSafeInteger(length) && length >= 1));

/**
 * @throws OptionError for a field of the wrong type, or a label that is no class; ShapeError if there are not as many lengths, labels or names as there should be. The
 * sequences themselves are checked as they are read.
 */
export function checkSequences(dataset: SequenceDataset): void {
  if (!object.accepts(dataset) || ArrayBuffer.isView(dataset)) {
    throw new OptionError(`a data set is ${show(dataset)}: expected an object { name, count, classes, shape, lengths, labels, sequence }`);
  }
  const { name, count, classes, classNames, shape, lengths, labels, stepLabels, sequence } = dataset;
  checkArgument("data set", "name", name, text);
  const what = `data set ${JSON.stringify(name)}`;
  checkArgument(what, "count", count, integer(1));
  checkArgument(what, "classes", classes, integer(1));
  checkArgument(what, "shape", shape, shapeKind);
  checkArgument(what, "lengths", lengths, lengthsKind);
  checkArgument(what, "labels", labels, labelsKind(labels));
  checkArgument(what, "sequence", sequence, func);
  if (stepLabels !== undefined) checkArgument(what, "stepLabels", stepLabels, func);
  if (lengths.length !== count || labels.length !== count) throw new ShapeError(`${what} has ${lengths.length} lengths and ${labels.length} labels: expected ${count} of each, as count is ${count}`);
  if (classNames !== undefined) {
    checkArgument(what, "classNames", classNames, listOf(text));
    if (classNames.length !== classes) throw new ShapeError(`${what} has ${classNames.length} classNames: expected one for each of ${classes} classes`);
  }
  checkLabels(what, "labels", labels, classes);
}

export interface ArraySequencesOptions {
  /** Default: "sequences". */
  name?: string;
  /** Of one time step: [700]. */
  shape: readonly number[];
  /** Each [T_i, ...shape], time-major; how long one is says its number of time steps. */
  sequences: readonly SequenceArray[];
  /** One for each sequence, each below `classes`. */
  labels: LabelArray;
  classes: number;
  classNames?: readonly string[];
  /** Labels at each step: [T_i] for each sequence. Default: none. */
  stepLabels?: readonly LabelArray[];
}

const arrays = kind("a list of Float32Arrays or Uint8Arrays (counts), one for each sample", (x) => Array.isArray(x) && x.length > 0 && x.every(isSequenceArray));
const labelsOption = labelsKind(undefined);
const optionKinds: OptionKinds<ArraySequencesOptions> = {
  name: text, shape: required(shapeKind), sequences: required(arrays), labels: required(labelsOption), classes: required(integer(1)), classNames: listOf(text),
  stepLabels: listOf(labelsOption),
};

/**
 * A data set of sequences in memory.
 * @throws OptionError for an option that is unknown or of the wrong kind, a label that is no class, a value that is not finite; ShapeError for a sequence that is no whole number of time steps.
 */
export function arraySequences(options: ArraySequencesOptions): SequenceDataset {
  checkOptions("arraySequences", options, optionKinds);
  const { name = "sequences", shape, sequences, labels, classes, classNames, stepLabels } = options;
  const what = `data set ${JSON.stringify(name)}`;
  const size = elements(shape);
  const lengths = Uint32Array.from(sequences, (values, i) => {
    if (values.length === 0 || values.length % size !== 0) {
      throw new ShapeError(`${what}: sequences[${i}] has ${values.length} values: expected a positive multiple of ${size}, the values of one time step [${shape.join(", ")}]`);
    }
    return values.length / size;
  });
  if (stepLabels && stepLabels.length !== sequences.length) throw new ShapeError(`${what} has stepLabels of ${stepLabels.length} samples: expected ${sequences.length}`);
  const dataset: SequenceDataset = {
    name, count: sequences.length, classes, ...(classNames && { classNames }), shape: [...shape], lengths, labels,
    ...(stepLabels && { stepLabels: (index: number) => stepLabels[index] }), sequence: (index) => sequences[index],
  };
  checkSequences(dataset);
  sequences.forEach((values, i) => checkSequence(dataset, i, values));
  stepLabels?.forEach((each, i) => checkStepLabels(dataset, i, each));
  return dataset;
}

/** @throws OptionError for what is no sequence, or a value that is not finite, naming sample, step and position; ShapeError for one of another length than the data set says. */
export function checkSequence(dataset: SequenceDataset, index: number, values: SequenceArray, after = ""): void {
  const { name, shape, lengths } = dataset;
  const what = `data set ${JSON.stringify(name)}: sample ${index}`;
  if (!isSequenceArray(values)) throw new OptionError(`${what} is ${show(values)}: expected a Float32Array, or a Uint8Array of counts`);
  const size = elements(shape);
  const expected = lengths[index] * size;
  if (values.length !== expected) throw new ShapeError(`${what} has ${values.length} values: expected ${expected}, T = ${lengths[index]} time steps of [${shape.join(", ")}]`);
  const at = values instanceof Float32Array ? firstNotFinite(values) : -1;
  if (at >= 0) throw new OptionError(`${what}, time step ${Math.floor(at / size)} at [${positionOf(at % size, shape).join(", ")}] is ${values[at]}${after}: expected finite values`);
}

/** @throws ShapeError for another number of labels than time steps, OptionError for one that is no class. */
export function checkStepLabels({ name, lengths, classes }: SequenceDataset, index: number, labels: LabelArray): void {
  const what = `data set ${JSON.stringify(name)}`;
  checkArgument(what, `stepLabels(${index})`, labels, labelsKind(labels));
  if (labels.length !== lengths[index]) throw new ShapeError(`${what}: stepLabels(${index}) has ${labels.length} labels: expected one for each of T = ${lengths[index]} time steps`);
  checkLabels(what, `stepLabels(${index})`, labels, classes);
}

function checkLabels(what: string, name: string, labels: LabelArray, classes: number): void {
  const wrong = labels.findIndex((label) => !(label >= 0 && label < classes));
  if (wrong >= 0) throw new OptionError(`${what}: ${name}[${wrong}] is ${labels[wrong]}: expected a class in 0 … ${classes - 1}`);
}

function isSequenceArray(x: unknown): x is SequenceArray {
  return x instanceof Float32Array || x instanceof Uint8Array;
}

/** Number of values of one time step. */
export const elements = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);
