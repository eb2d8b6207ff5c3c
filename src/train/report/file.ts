import { checkOptions, either, flag, integer, kind, type Kind, listOf, object, type OptionKinds, required, text } from "../../check.ts";
import { FileFormatError } from "../../errors.ts";
import type { EpochReport, LayerOperations, LayerRate, LayerSummary, MembraneTrace, NeuronRates, Raster, RunReport, SampleReport, StepReport, StepTimeReport } from "./data.ts";
import { decimate } from "./scale.ts";

const FORMAT = "spikefold-report";
const VERSION = 1;
const KEPT_STEPS = 2000;

/** A report as JSON: training steps thinned to 2000, numbers to six digits. */
export const encodeReport = (run: RunReport, keptSteps = KEPT_STEPS): string =>
  JSON.stringify({ format: FORMAT, version: VERSION, ...run, steps: decimate(run.steps, ({ loss }) => loss, keptSteps) }, sixDigits);

export const sixDigits = (_: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;

/** @throws OptionError unless it is a report, which may be as `encodeReport` wrote it. */
export const checkReport = (what: string, run: RunReport): void => checkOptions<RunReport & { format?: string; version?: number }>(what, run, { ...reportKinds, format: string, version: count });

/** @throws FileFormatError that names the file, and what in it is not as it should be. */
export function decodeReport(bytes: Uint8Array, file: string): RunReport {
  let parsed: { format?: unknown; version?: unknown } & RunReport;
  try {
    // JSON has no NaN: what was one is null.
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes), (_, value) => (value === null ? NaN : value));
  } catch (error) {
    throw new FileFormatError(`${file} is no JSON: ${(error as Error).message}`, { cause: error });
  }
  const { format, version, ...report } = parsed;
  if (format !== FORMAT || version !== VERSION) throw new FileFormatError(`${file}: format is ${JSON.stringify(format)}, version ${JSON.stringify(version)}; expected what spikefold train writes, ${FORMAT}, version ${VERSION}`);
  checkOptions<RunReport>(file, report, reportKinds, FileFormatError);
  return report;
}

const number = kind("a number", (x) => typeof x === "number");
const string = kind("a text", (x) => typeof x === "string");
const count = integer(0);
const settings = kind("an object of names and values", (x) => object.accepts(x) && Object.values(x as object).every((value) => ["string", "number", "boolean"].includes(typeof value)));
/** An object whose members are of these kinds. */
const record = <T extends object>(what: string, kinds: OptionKinds<T>): Kind => kind(`${what} { ${Object.keys(kinds).join(", ")} }`, (x) => {
  if (!object.accepts(x)) return false;
  const given = x as Record<string, unknown>;
  return Object.entries<Kind>(kinds).every(([name, each]) => (given[name] === undefined ? !each.required : each.accepts(given[name])));
});
const all = <T>(kinds: { readonly [K in keyof T]-?: Kind }): OptionKinds<T> => Object.fromEntries(Object.entries<Kind>(kinds).map(([name, each]) => [name, required(each)])) as OptionKinds<T>;

const share = record("times", all({ dense: number, neuron: number, rest: number }));

const reportKinds: OptionKinds<RunReport> = {
  title: required(string),
  model: required(listOf(record<LayerSummary>("a layer", all<LayerSummary>({ name: string, outputShape: listOf(count), parameters: count })))),
  options: required(settings),
  training: required(settings),
  environment: required(kind("an object with device and date", (x) => settings.accepts(x) && "device" in (x as object) && "date" in (x as object))),
  epochs: required(listOf(record<EpochReport>("an epoch", {
    ...all<Omit<EpochReport, "step">>({ epoch: integer(1), trainLoss: number, trainAccuracy: number, testLoss: number, testAccuracy: number, seconds: number, samplesPerSecond: number }), step: count,
  }))),
  steps: required(listOf(record<StepReport>("a step", all<StepReport>({ step: integer(1), loss: number, accuracy: number })))),
  samples: required(listOf(record<SampleReport>("a sample", all<SampleReport>({
    image: record("an image", all({ width: integer(1), height: integer(1), pixels: listOf(number) })),
    label: count, prediction: count, scores: listOf(number),
    layers: listOf(record<Raster>("a raster", {
      ...all<Omit<Raster, "classes">>({ name: string, steps: integer(1), neurons: count, totalNeurons: count, spikes: listOf(listOf(count)) }), classes: flag,
    })),
    membranes: listOf(record<MembraneTrace>("a membrane", {
      ...all<Omit<MembraneTrace, "isMembrane">>({ layer: string, neuron: count, v: listOf(number), spikes: listOf(flag), threshold: either(number, listOf(number)) }), isMembrane: flag,
    })),
  })))),
  firingRates: required(listOf(record<LayerRate>("a layer's rate", {
    layer: required(string), rate: required(number),
    neurons: record<NeuronRates>("rates of neurons", all<NeuronRates>({ count, dead: count, saturated: count, histogram: listOf(count) })),
  }))),
  operations: listOf(record<LayerOperations>("operations of a layer", all<LayerOperations>({ layer: string, macs: count, density: number, operations: number, additions: flag }))),
  confusion: kind("a square matrix of counts", (x) => Array.isArray(x) && x.every((row) => Array.isArray(row) && row.length === x.length && row.every((each) => count.accepts(each)))),
  stepTime: record<StepTimeReport>("times of a step", all<StepTimeReport>({ fusedMs: number, stepwiseMs: number, speedup: number, fused: share, stepwise: share })),
  classNames: listOf(string),
  scoreName: text,
  warnings: listOf(string),
  notes: listOf(string),
};
