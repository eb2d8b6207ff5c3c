import "../dispose.ts";
import type { Encoded } from "../data/encode.ts";
import type { Random } from "../data/random.ts";
import type { Device, Graph, Tensor } from "../device/device.ts";
import { Feeds } from "../nn/feeds.ts";
import type { Model } from "../nn/model.ts";
import { Lengths } from "../nn/lengths.ts";
import type { BatchShare } from "../nn/share.ts";
import { weightOf } from "../nn/statistics.ts";
import { clearGradients } from "../nn/parameter.ts";
import { inPlace } from "../nn/place.ts";
import { Tape } from "../nn/tape.ts";
import type { Pending } from "../parallel/group.ts";
import { SpikeCounter } from "./activity.ts";
import { GradientBuckets } from "./buckets.ts";
import type { GradientClipper } from "./clip.ts";
import { classScores, onTape } from "./evaluation.ts";
import { sumOfWeights } from "./finite.ts";
import { checkedLoss, type Loss, type LossValue, partsOf, type Target } from "./loss.ts";
import type { OptimizerRun } from "./optimizer.ts";
import type { Ranks } from "./ranks.ts";
import { Penalties, type Regularizer } from "./regularizer.ts";

/** What an update of the weights is made with. */
export interface StepParts {
  model: Model;
  loss: Loss;
  regularizers: readonly Regularizer[];
  optimizer: OptimizerRun;
  clipper: GradientClipper | undefined;
  /** Where several ranks train together. */
  parallel?: Ranks;
}

/** What the host gives one update. */
export interface StepInput {
  input: Encoded;
  /** T. */
  steps: number;
  /** Valid steps of each sample; undefined if all are. */
  lengths: Int32Array | undefined;
  /** As the loss takes them. */
  labels: Int32Array;
  /** Of the learning rate. */
  factor: number;
  /** Of dropout: the same stream at each call. */
  random: () => Random;
  /** Whether spikes are counted. */
  looks: boolean;
  /** Its number, from 1. */
  update: number;
  /** Of several ranks: the samples that are this one's, and whether it asks all to stop. */
  share: BatchShare | undefined;
  stop: boolean;
  /** Of all samples of the whole batch. */
  validSteps: number;
}

/** What an update leaves on the device. */
export interface Outcome extends Disposable {
  /** The sum of the weights' squares, the clip factor where there is one, loss, correct answers, the penalty where there is one, the spikes of each layer that were counted, and of several ranks how many ask to stop. */
  results: Tensor;
  counter: SpikeCounter | undefined;
}

/**
 * The device's work in the updates of one shape. All that differs between them is given before: the input and the labels' targets by `fill`, what layers draw by `feeds`,
 * the learning rate by the optimiser's `prepare`. So the work may be recorded.
 */
export class Pass {
  readonly looks: boolean;
  readonly #parts: StepParts;
  readonly #device: Device;
  readonly #labels: Int32Array;
  readonly #steps: number;
  readonly #lengths: Lengths | undefined;
  readonly #input: Tensor;
  /** Undefined: the loss takes the labels themselves. */
  readonly #targets: readonly Tensor[] | undefined;
  readonly #feeds: Feeds | undefined;
  readonly #share: BatchShare | undefined;
  /** 1 if this rank asks all to stop; where there are several. */
  readonly #stop: Tensor | undefined;
  /** The work as it was recorded, and what its launches leave. */
  #recorded: { graph: Graph; outcome: Outcome; gradients: (Tensor | null)[] } | undefined;

  /** @param repeats whether it is there for more than one update */
  constructor(parts: StepParts, given: StepInput, repeats: boolean) {
    const { input, steps, lengths, labels, looks } = given;
    const { device } = parts.model;
    this.looks = looks;
    this.#parts = parts;
    this.#device = device;
    this.#labels = labels;
    this.#steps = steps;
    const [uploadedInput, ...targets] = uploaded(device, [input, ...(targetsOf(parts, given) ?? [])]);
    this.#input = uploadedInput;
    this.#lengths = lengths && new Lengths(device, lengths);
    this.#targets = partsOf(parts.loss) && targets;
    this.#feeds = repeats ? new Feeds(device) : undefined;
    this.#share = given.share;
    this.#stop = given.share && device.tensor(stopping(given), [1]);
  }

  get graph(): Graph | undefined {
    return this.#recorded?.graph;
  }

  /** Whether layers draw numbers in a way that cannot be recorded. */
  get drawsItself(): boolean {
    return this.#feeds?.drawsItself === true;
  }

  /** What another update of the shape is given. */
  fill(given: StepInput): void {
    const { input, lengths, random } = given;
    this.#device.write(this.#input, input.data);
    if (lengths) this.#lengths!.set(lengths);
    targetsOf(this.#parts, given)?.forEach(({ data }, i) => this.#device.write(this.#targets![i], data));
    if (this.#stop) this.#device.write(this.#stop, stopping(given));
    this.#feeds?.refill(random());
  }

  /** Does the work. The gradients of the parameters are left where they are; the outcome is the caller's. */
  run(random?: Random): Outcome {
    const { model, loss: lossOf, regularizers, optimizer, clipper, parallel } = this.#parts;
    const { device } = model;
    const steps = this.#steps;
    const share = this.#share;
    using buckets = parallel && new GradientBuckets(parallel.group, optimizer.parameters, parallel.bucketBytes);
    const parameters = model.parameters();
    clearGradients(parameters);
    const counter = this.looks ? new SpikeCounter(this.#lengths, share) : undefined;
    const made: Tensor[] = [];
    using penalties = regularizers.length > 0 ? new Penalties(regularizers) : undefined;
    try {
      using tape = new Tape(device, {
        steps, lengths: this.#lengths, training: true, random, feeds: this.#feeds, onSpikes: counter?.add, penalize: penalties?.add, onFinal: buckets?.add, share,
        statistics: parallel?.syncBatchNorm && share ? { group: share.group, own: share.own, all: share.all, passed: share.passed } : undefined,
      });
      const output = model.forward(tape, onTape(tape, this.#input));
      const penalty = penalties?.total();
      const scores = classScores(output, lossOf.over);
      const value = inPlace(`loss ${lossOf.name}`, () => checkedLoss(lossOf, scores, this.#targets ? partsOf(lossOf)!.evaluate(scores, this.#targets, steps) : lossOf.evaluate(scores, this.#labels, steps, this.#lengths?.steps)));
      made.push(value.loss, value.correct);
      const seen = [...(penalty ? [penalty] : []), ...(counter?.tensors ?? [])];
      const over = share && this.#overRanks(share, value, penalty, counter?.tensors ?? []);
      if (over) made.push(over.sums);
      {
        using gradient = value.gradient;
        if (share) device.dense.scale(gradient, weightOf(share));
        tape.backward(output, gradient);
      }
      buckets?.join();
      const clip = inPlace(`optimiser ${optimizer.optimizer.name}`, () => {
        const factor = clipper?.factor(optimizer.parameters.flatMap(({ gradient }) => gradient ?? []));
        optimizer.update(factor);
        return factor;
      });
      const weights = sumOfWeights(parameters);
      made.push(weights);
      this.#feeds?.end();
      over?.pending.join();
      const own = [weights, ...(clip ? [clip] : [])];
      const results = gathered(device, over ? [...own, over.sums] : [...own, value.loss, value.correct, ...seen]);
      return { results, counter, [Symbol.dispose]: () => results.dispose() };
    } finally {
      for (const tensor of [...made, ...(counter?.tensors ?? [])]) tensor.dispose();
    }
  }

  /** Begins to sum over all ranks what an update tells, while the backward pass runs: the loss by the samples that each has, all else as it is. */
  #overRanks(share: BatchShare, { loss, correct }: LossValue, penalty: Tensor | undefined, counts: readonly Tensor[]): { sums: Tensor; pending: Pending } {
    const { dense } = this.#device;
    dense.scale(loss, weightOf(share));
    if (share.own === 0) for (const tensor of [correct, ...counts]) dense.scale(tensor, 0);
    const sums = gathered(this.#device, [loss, correct, ...(penalty ? [penalty] : []), ...counts, this.#stop!]);
    return { sums, pending: share.group.allReduce(sums) };
  }

  /** Records the work, to be launched with what `fill` gave. @throws DeviceError if something in it cannot be recorded. */
  record(sharing: Graph | undefined): void {
    const parameters = this.#parts.model.parameters();
    const outcomes: Outcome[] = [];
    try {
      const graph = this.#device.capture!(() => void outcomes.push(this.run()), { sharing });
      const gradients = parameters.map(({ gradient }) => gradient);
      for (const parameter of parameters) parameter.gradient = null;
      this.#recorded = { graph, outcome: outcomes[0], gradients };
    } catch (error) {
      clearGradients(parameters);
      for (const outcome of outcomes) outcome[Symbol.dispose]();
      throw error;
    }
  }

  /** Launches the work as it was recorded. The outcome stays the pass's own. */
  launch(): Outcome {
    const { graph, outcome } = this.#recorded!;
    graph.launch();
    return outcome;
  }

  /** The gradients of the last launch, for as long as `look` takes. */
  async withGradients<T>(look: () => Promise<T>): Promise<T> {
    if (!this.#recorded) return look();
    const parameters = this.#parts.model.parameters();
    parameters.forEach((parameter, i) => (parameter.gradient = this.#recorded!.gradients[i]));
    try {
      return await look();
    } finally {
      for (const parameter of parameters) parameter.gradient = null;
    }
  }

  /** Gives back what was recorded. */
  forget(): void {
    if (!this.#recorded) return;
    const { graph, outcome, gradients } = this.#recorded;
    this.#recorded = undefined;
    outcome[Symbol.dispose]();
    for (const gradient of gradients) gradient?.dispose();
    graph.dispose();
  }

  dispose(): void {
    this.forget();
    for (const tensor of [this.#input, ...(this.#targets ?? []), ...(this.#stop ? [this.#stop] : [])]) tensor.dispose();
    this.#feeds?.dispose();
    this.#lengths?.dispose();
  }
}

/** Labels of steps go with lengths, to be told from those of samples. */
const targetsOf = ({ model, loss }: StepParts, { labels, steps, lengths, input: { shape } }: StepInput) =>
  partsOf(loss)?.targets(labels, model.outputShape[0], steps, lengths ?? (labels.length === shape[1] ? undefined : new Int32Array(shape[1]).fill(steps)));

/** All, or none. */
function uploaded(device: Device, all: readonly Target[]): Tensor[] {
  const tensors: Tensor[] = [];
  try {
    for (const { data, shape } of all) tensors.push(device.tensor(data, shape));
    return tensors;
  } catch (error) {
    for (const tensor of tensors) tensor.dispose();
    throw error;
  }
}

/** Tensors one behind the other, to be read at once. */
export function gathered(device: Device, tensors: readonly Tensor[]): Tensor {
  const all = device.empty([tensors.reduce((sum, { size }) => sum + size, 0)]);
  let at = 0;
  for (const tensor of tensors) {
    device.copy(tensor, all, at);
    at += tensor.size;
  }
  return all;
}

const stopping = ({ stop }: StepInput): Float32Array => Float32Array.of(stop ? 1 : 0);
