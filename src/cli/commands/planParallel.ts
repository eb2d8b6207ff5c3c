import { Random } from "../../data/random.ts";
import type { Device } from "../../device/device.ts";
import { Model } from "../../nn/index.ts";
import { spiking } from "../../nn/spiking.ts";
import type { ProcessGroup } from "../../parallel/group.ts";
import { measureLink } from "../../parallel/link.ts";
import { nameOfScheme, type ParallelPlan, type ParallelPrediction, planParallel } from "../../parallel/plan.ts";
import { ranksOf } from "../../parallel/ranks.ts";
import type { ParallelScheme } from "../../parallel/schemes.ts";
import type { ParallelCluster, ParallelLink, ParallelWorkload } from "../../parallel/workload.ts";
import { writeFileAtomic } from "../../train/atomic.ts";
import { measureParallel } from "../../train/measureParallel.ts";
import { type ReferenceModelName, referenceModels, referenceNeuron } from "../../train/models.ts";
import { createProgress } from "../../train/progress.ts";
import { chosen, type Command, UsageError } from "../command.ts";
import { type Curves, curvesPage, drawCurves, milliseconds } from "../curves.ts";
import { chosenNeuron, neuronHelp } from "../neuron.ts";
import { describeOptions, type OptionTable, type OptionValues, parseArguments } from "../options.ts";
import { mute, printResult, say } from "../output.ts";
import { withDevice, withGroup } from "../run.ts";

const modelNames = Object.keys(referenceModels) as ReferenceModelName[];
/** Of the links, unless said otherwise, in µs and GB/s: PCI Express of 16 lanes, and a network of 100 Gb/s. */
const ASSUMED = { gpusPerHost: 8, link: { latency: 10, bandwidth: 20 }, network: { latency: 20, bandwidth: 10 } };
const CURVE = Array.from({ length: 11 }, (_, i) => 2 ** i);

const options = {
  neuron: { type: "text", value: "NEURON", help: `one layer of it in place of a model: ${neuronHelp}` },
  neurons: { type: "integer", value: "N", minimum: 1, help: "of that layer; default 16384" },
  steps: { type: "integer", value: "T", minimum: 1, help: "time steps; default: the model's, of a layer 1024" },
  batch: { type: "integer", value: "B", minimum: 1, help: "samples; default: the model's, of a layer 1" },
  gpus: { type: "integers", value: "1,2,4", minimum: 1, help: "numbers of GPUs; default 1,2,4,8" },
  "gpus-per-host": { type: "integer", value: "N", minimum: 1, help: `default ${ASSUMED.gpusPerHost}` },
  latency: { type: "number", value: "US", minimum: 0, help: `of a message between GPUs of a host, in microseconds; assumed: ${ASSUMED.link.latency}` },
  bandwidth: { type: "number", value: "GB/S", above: 0, help: `between GPUs of a host; assumed: ${ASSUMED.link.bandwidth}` },
  "network-latency": { type: "number", value: "US", minimum: 0, help: `between hosts; assumed: ${ASSUMED.network.latency}` },
  "network-bandwidth": { type: "number", value: "GB/S", above: 0, help: `of a host's connection, all its GPUs together; assumed: ${ASSUMED.network.bandwidth}` },
  repetitions: { type: "integer", value: "N", minimum: 1, help: "passes of each size that are timed; default 5" },
  device: { type: "text", value: "NAME", help: "where layers are timed: cpu, cuda, …; default auto, which says what it chose" },
  out: { type: "text", value: "FILE", help: "draws the curves for 1 to 1024 GPUs: FILE.svg or FILE.html" },
  json: { type: "flag", help: "print one JSON object: what was measured, assumed and predicted" },
} satisfies OptionTable;

export const planParallelCommand: Command = {
  name: "plan-parallel",
  summary: "Predict a training step on several GPUs: which to split, samples, time or neurons",
  usage: `Usage: spikefold plan-parallel [MODEL] [OPTIONS]

MODEL: ${modelNames.join(", ")}; default mlp. Its layers are timed once, forward and backward, on random images. docs/parallel.md says what is assumed.
Links are as the options say; of several processes, spikefold launch --gpus 2 -- plan-parallel, that between the first two is measured.

${describeOptions(options)}
`,
  async run(args) {
    const { values, positionals } = parseArguments(options, args, 1);
    const draw = pictureOf(values.out);
    const subject = await subjectOf(values, positionals[0]);
    const { rank, localRank } = ranksOf();
    if (rank !== 0) mute();
    return withDevice(values.device, (device) => withGroup(device, async (group) => {
      const measured = group.size > 1 ? await measuredLink(group, device, localRank) : undefined;
      // The first alone times layers: processes that share a machine would slow each other down.
      if (group.rank !== 0) return 0;
      const links = linksOf(values, measured);
      const { cluster, assumed } = links;
      const workload = await timed(subject, device, values.repetitions ?? 5);
      const plan = planParallel(workload, { cluster, gpus: values.gpus });
      const title = `${subject.name}, T = ${workload.steps}, batch ${workload.batch}`;
      const assumptions = [...describeLinks(links), `Layers timed on ${device.description}.`];
      const object = { model: subject.name, device: `${device.name}: ${device.description}`, workload, cluster, measured: links.measured, assumed, ...plan };
      const code = await printResult(values.json ? `${JSON.stringify(object)}\n` : describe(title, workload, plan, assumptions));
      if (values.out !== undefined) {
        const { predictions, bestChunks } = planParallel(workload, { cluster, gpus: CURVE });
        await writeFileAtomic(values.out, draw!({ title, predictions, bestChunks, assumptions }));
        say(`wrote ${values.out}\n`);
      }
      return code;
    }), { profile: values.device?.startsWith("cuda") });
  },
};

type Values = OptionValues<typeof options>;

function pictureOf(out: string | undefined): ((curves: Curves) => string) | undefined {
  if (out === undefined) return undefined;
  if (/\.svg$/i.test(out)) return drawCurves;
  if (/\.html?$/i.test(out)) return curvesPage;
  throw new UsageError(`--out is ${JSON.stringify(out)}: expected a name that ends in .svg or .html`);
}

interface Subject {
  name: string;
  batch: number;
  timeConstant: boolean;
  build(device: Device): Model;
}

async function subjectOf({ neuron: named, neurons = 16384, steps, batch }: Values, model: string | undefined): Promise<Subject> {
  if (named !== undefined) {
    if (model !== undefined) throw new UsageError(`${model} and --neuron exclude each other: a model, or one layer of neurons`);
    const neuron = await chosenNeuron(named);
    return {
      name: `one layer of ${neurons} ${neuron.name}`, batch: batch ?? 1, timeConstant: false,
      build: (device) => Model.build(spiking(neuron), { device, inputShape: [neurons], steps: steps ?? 1024, random: new Random(0) }),
    };
  }
  const name = chosen("the model", model ?? "mlp", modelNames);
  const reference = referenceModels[name];
  return {
    name, batch: batch ?? reference.batch, timeConstant: true,
    build: (device) => Model.build(reference.build({ neuron: referenceNeuron(reference.neuron) }), { device, inputShape: [28, 28, 1], steps: steps ?? reference.steps, random: new Random(0) }),
  };
}

async function timed({ name, batch, timeConstant, build }: Subject, device: Device, repetitions: number): Promise<ParallelWorkload> {
  using model = build(device);
  say(`timing ${name}, T = ${model.steps}, batch ${batch}: whole, with other T, with another batch\n`);
  const progress = createProgress({ total: 3 * repetitions, label: "timing" });
  return await measureParallel(model, { batch, timeConstant, repetitions, onPass: (done) => progress.update(done) }).finally(() => progress.finish());
}

interface MeasuredLink extends ParallelLink {
  isNetwork: boolean;
}

/** Of ranks 0 and 1, which are on two hosts if both are the first of theirs. */
async function measuredLink(group: ProcessGroup, device: Device, localRank: number): Promise<MeasuredLink> {
  say(`measuring the link between ranks 0 and 1 of ${group.size}\n`);
  const [, second] = await group.gather(Uint8Array.of(Math.min(localRank, 1)));
  return { ...(await measureLink(group, device)), isNetwork: second[0] === 0 };
}

interface Links {
  cluster: ParallelCluster;
  /** Names of the options that were not given. */
  measured: string[];
  assumed: string[];
}

/** As the options say, else as was measured, else as is assumed. */
function linksOf(values: Values, found: MeasuredLink | undefined): Links {
  const [measured, assumed]: string[][] = [[], []];
  const value = (name: "gpus-per-host" | LinkOption, ofFound: number | undefined, ofNone: number): number => {
    if (values[name] !== undefined) return values[name];
    (ofFound === undefined ? assumed : measured).push(name);
    return ofFound ?? ofNone;
  };
  const link = (latency: LinkOption, bandwidth: LinkOption, of: MeasuredLink | undefined, none: ParallelLink): ParallelLink => ({
    latency: value(latency, of && of.latency * 1e6, none.latency) / 1e6, bandwidth: value(bandwidth, of && of.bandwidth / 1e9, none.bandwidth) * 1e9,
  });
  const isNetwork = found?.isNetwork ?? false;
  const cluster = {
    gpusPerHost: value("gpus-per-host", undefined, ASSUMED.gpusPerHost),
    link: link("latency", "bandwidth", isNetwork ? undefined : found, ASSUMED.link),
    network: link("network-latency", "network-bandwidth", isNetwork ? found : undefined, ASSUMED.network),
  };
  return { cluster, measured, assumed };
}

type LinkOption = "latency" | "bandwidth" | "network-latency" | "network-bandwidth";

function describeLinks({ cluster: { gpusPerHost, link, network }, measured, assumed }: Links): string[] {
  const of = ({ latency, bandwidth }: ParallelLink): string => `${Number((latency * 1e6).toPrecision(4))} µs and ${Number((bandwidth / 1e9).toPrecision(4))} GB/s`;
  const named = (names: readonly string[]): string => names.map((name) => `--${name}`).join(", ");
  return [
    `Links: ${of(link)} between GPUs of a host, ${of(network!)} between hosts of ${gpusPerHost} GPUs.`,
    ...(measured.length > 0 ? [`Measured between ranks 0 and 1: ${named(measured)}.`] : []),
    ...(assumed.length > 0 ? [`Assumed, not measured: ${named(assumed)}.`] : []),
    "Parts take their share of the whole, but for what stays with other T or another batch. Loss and update are left out.",
  ];
}

const count = (of: number, one: string, many: string): string => `${of} ${of === 1 ? one : many}`;

const COLUMNS: readonly [ParallelScheme, string][] = [["data", "data parallel"], ["time", "chunks of time"], ["mixed", "both"], ["neurons", "neurons split"]];

/** A line, where the best is none that a Trainer has: it splits neither neurons nor samples and time at once. */
function bestTrained({ best, predictions }: ParallelPlan): string {
  if (["data", "time"].includes(best.scheme)) return "";
  const { scheme, gpus, seconds } = predictions.filter((each) => ["data", "time"].includes(each.scheme)).reduce((a, b) => (b.seconds < a.seconds ? b : a));
  return `That is a prediction only; of what the Trainer does, the fastest is ${gpus === 1 ? "one GPU" : `${nameOfScheme(scheme)} on ${gpus} GPUs`}, ${milliseconds(seconds)} ms.\n`;
}

function describe(title: string, { stages }: ParallelWorkload, plan: ParallelPlan, assumptions: readonly string[]): string {
  const { singleSeconds, handOverSeconds, bestChunks, predictions, best, reason } = plan;
  const counts = [...new Set(predictions.map(({ gpus }) => gpus))];
  const cell = (found: ParallelPrediction | undefined): string => (found ? `${milliseconds(found.seconds)} (${found.speedup.toFixed(2)}×)` : "–").padStart(20);
  const rows = counts.map((gpus) => `${String(gpus).padStart(4)}${COLUMNS.map(([scheme]) => cell(predictions.find((each) => each.gpus === gpus && (each.scheme === scheme || gpus === 1)))).join("")}`);
  const time = predictions.filter(({ scheme }) => scheme === "time");
  const fastest = time.reduce<ParallelPrediction | undefined>((a, b) => (a === undefined || b.seconds < a.seconds ? b : a), undefined);
  return `${title}: ${milliseconds(singleSeconds)} ms forward and backward on one device, ${count(stages.length, "layer", "layers")} of neurons

milliseconds, and times as fast as one GPU:

GPUs${COLUMNS.map(([, name]) => `${name}`.padStart(20)).join("")}
${rows.join("\n")}

√(T_s/T_c) = √(${milliseconds(singleSeconds)} ms / ${milliseconds(handOverSeconds)} ms) = ${bestChunks.toPrecision(3)} chunks by the closed form${fastest ? `; simulated, the best of these is ${fastest.chunks} chunks with ${count(fastest.microBatches, "micro-batch", "micro-batches")}` : ""}
Best: ${best.gpus === 1 ? "one GPU" : `${best.gpus} GPUs`}, ${milliseconds(best.seconds)} ms. ${reason[0].toUpperCase()}${reason.slice(1)}.
${bestTrained(plan)}${assumptions.join("\n")}
`;
}
