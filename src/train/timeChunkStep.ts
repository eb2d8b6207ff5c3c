import "../dispose.ts";
import type { Tensor } from "../device/device.ts";
import { DeviceError } from "../errors.ts";
import { Lengths } from "../nn/lengths.ts";
import { clearGradients } from "../nn/parameter.ts";
import { inPlace } from "../nn/place.ts";
import { Tape } from "../nn/tape.ts";
import { TimeChunk } from "../nn/timeChunk.ts";
import type { Variable } from "../nn/variable.ts";
import { type Activity, SpikeCounter } from "./activity.ts";
import { GradientBuckets } from "./buckets.ts";
import { classScores, onTape } from "./evaluation.ts";
import { sumOfWeights } from "./finite.ts";
import { checkedLoss } from "./loss.ts";
import { gathered, type StepInput, type StepParts } from "./pass.ts";
import { Penalties } from "./regularizer.ts";
import { checkUpdate, type StepResult } from "./step.ts";
import { checkSteps, labelsOf, microBatchesOf, ownGradient, partOf, type Samples, type TimeChunking, wholeScores } from "./timeChunks.ts";

/** What watches the passes of an update. */
interface Watchers {
  counter: SpikeCounter | undefined;
  penalties: Penalties | undefined;
}

/**
 * Updates the weights with batches whose time is cut into chunks, one a rank. Samples go forward one micro-batch after the other, then back: each layer waits for the states of the chunk before alone, so that
 * ranks work on different layers and micro-batches at once. The gradients are summed over ranks; weights stay the same on all.
 */
export class TimeChunkStep {
  readonly #parts: StepParts;
  readonly #chunking: TimeChunking;

  constructor(parts: StepParts, chunking: TimeChunking) {
    this.#parts = parts;
    this.#chunking = chunking;
  }

  /** @throws TrainingError if the loss, a gradient or a weight is no longer finite; DeviceError, saying in which layer, if the device fails; OptionError for fewer time steps than chunks. */
  async run(given: StepInput): Promise<StepResult> {
    const { model, optimizer } = this.#parts;
    checkSteps(given.steps, this.#chunking.group, `update ${given.update}: the batch has`);
    try {
      optimizer.prepare(given.factor);
      clearGradients(model.parameters());
      return await this.#update(given);
    } catch (error) {
      throw error instanceof DeviceError ? new DeviceError(`update ${given.update}: ${error.message}`, { cause: error }) : error;
    } finally {
      clearGradients(model.parameters());
    }
  }

  /** Nothing is kept from update to update. */
  release(): void {}

  dispose(): void {}

  async #update(given: StepInput): Promise<StepResult> {
    const { model, optimizer, clipper, regularizers, parallel } = this.#parts;
    const { group, microBatches } = this.#chunking;
    const { device } = model;
    const [, batch] = given.input.shape;
    using counter = given.looks ? new SpikeCounter() : undefined;
    using penalties = regularizers.length > 0 ? new Penalties(regularizers) : undefined;
    using loss = device.zeros([1]);
    using correct = device.zeros([1]);
    const passes: ChunkPass[] = [];
    try {
      for (const samples of microBatchesOf(batch, microBatches)) passes.push(new ChunkPass(this.#parts, this.#chunking, given, samples, { counter, penalties }));
      for (const pass of passes) pass.forward();
      for (const pass of passes) pass.share();
      for (const pass of passes) pass.backward(loss, correct);
    } finally {
      for (const pass of passes) pass.dispose();
    }
    using stop = device.tensor(Float32Array.of(given.stop ? 1 : 0), [1]);
    using sums = gathered(device, [...(penalties ? [penaltyOf(penalties, group.rank === group.size - 1)] : []), ...(counter?.tensors ?? []), stop]);
    const pending = group.allReduce(sums);
    using buckets = new GradientBuckets(group, optimizer.parameters, parallel!.bucketBytes);
    buckets.join();
    pending.join();
    const factor = inPlace(`optimiser ${optimizer.optimizer.name}`, () => {
      const clip = clipper?.factor(optimizer.parameters.flatMap(({ gradient }) => gradient ?? []));
      optimizer.update(clip);
      return clip;
    });
    optimizer.count++;
    using weights = sumOfWeights(model.parameters());
    using results = gathered(device, [loss, correct, weights, ...(factor ? [factor] : []), sums]);
    const [lossValue, correctValue, weightsValue, ...rest] = await parallel!.unlessLost(device.read(results));
    await checkUpdate(this.#parts, given.update, { loss: lossValue, weights: weightsValue, factor: factor && rest.shift() });
    const penalty = penalties && rest.shift();
    const stops = rest.pop()! > 0;
    return { loss: lossValue, correct: correctValue, penalty, activity: counter && overAllSteps(counter.activity(rest, given.validSteps), given.validSteps / batch), stop: stops };
  }
}

/** The pass of some samples of a batch over this rank's chunk of time. */
class ChunkPass {
  readonly #parts: StepParts;
  readonly #chunking: TimeChunking;
  readonly #given: StepInput;
  readonly #samples: Samples;
  readonly #lengths: Lengths | undefined;
  readonly #chunk: TimeChunk;
  readonly #tape: Tape;
  #input: Tensor | undefined;
  #output: Variable | undefined;
  #scores: Tensor | undefined;

  constructor(parts: StepParts, chunking: TimeChunking, given: StepInput, samples: Samples, { counter, penalties }: Watchers) {
    const { device } = parts.model;
    const { group, microBatches } = chunking;
    const { steps, lengths, input: { shape: [, batch] } } = given;
    this.#parts = parts;
    this.#chunking = chunking;
    this.#given = given;
    this.#samples = samples;
    this.#lengths = lengths && new Lengths(device, lengths.slice(samples.from, samples.from + samples.count));
    this.#chunk = new TimeChunk(group, steps);
    const inParts = microBatches > 1;
    this.#tape = new Tape(device, {
      steps: this.#chunk.count, lengths: this.#lengths, training: true, random: given.random(), carry: this.#chunk, onSpikes: counter?.add, penalize: penalties?.add,
      share: inParts ? { group, first: samples.from, own: samples.count, all: batch } : undefined, statistics: inParts ? undefined : { group, own: this.#chunk.count, all: steps },
    });
  }

  forward(): void {
    const { model, loss } = this.#parts;
    const { data, shape } = partOf(this.#given.input, this.#chunk.own, this.#samples);
    this.#input = model.device.tensor(data, shape);
    this.#output = model.forward(this.#tape, onTape(this.#tape, this.#input));
    classScores(this.#output, loss.over);
  }

  /** Lets all ranks know what the model says. */
  share(): void {
    this.#scores = wholeScores(this.#chunking.group, this.#output!.value, this.#given.steps, this.#parts.loss.over);
  }

  /** Goes back, and adds to the mean loss of the batch and to the right answers. */
  backward(loss: Tensor, correct: Tensor): void {
    const { loss: lossOf, model: { device: { dense } } } = this.#parts;
    const { steps, labels, lengths, input: { shape: [, batch] } } = this.#given;
    const { from, count } = this.#samples;
    const scores = this.#scores!;
    const value = inPlace(`loss ${lossOf.name}`, () => checkedLoss(lossOf, scores, lossOf.evaluate(scores, labelsOf(labels, batch, this.#samples), steps, lengths?.slice(from, from + count))));
    using gradient = value.gradient;
    const share = count / batch;
    for (const [total, part, weight] of [[loss, value.loss, share], [correct, value.correct, 1]] as const) {
      dense.addInto(total, part, weight);
      part.dispose();
    }
    using seed = ownGradient(this.#chunking.group, gradient, steps, lossOf.over);
    if (share !== 1) dense.scale(seed, share);
    this.#tape.backward(this.#output!, seed);
  }

  dispose(): void {
    this.#tape.dispose();
    for (const each of [this.#chunk, this.#lengths, this.#input, this.#scores]) each?.dispose();
  }
}

/** Penalties of rates over all of time are the last rank's. */
function penaltyOf(penalties: Penalties, isLast: boolean): Tensor {
  const total = penalties.total();
  if (!isLast) total.device.dense.scale(total, 0);
  return total;
}

/** Spikes are counted in all chunks. */
const overAllSteps = (activity: ReadonlyMap<string, Activity>, steps: number): Map<string, Activity> => new Map([...activity].map(([layer, counts]) => [layer, { ...counts, steps }]));
