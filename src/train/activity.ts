import "../dispose.ts";
import type { Tensor } from "../device/device.ts";
import type { Lengths } from "../nn/lengths.ts";
import type { BatchShare } from "../nn/share.ts";

/** Something that training does not fail of, but most likely comes to nothing by. */
export interface TrainingWarning {
  /** A layer that does not fire, or fires at nearly every step; a loss that does not change. */
  readonly kind: "silent" | "saturated" | "constantLoss";
  /** The layer's name: "1: spiking(lif)". */
  readonly layer?: string;
  /** Spikes per neuron and step, over the updates that were looked at. */
  readonly rate?: number;
  /** The update after which it was said, from 1. */
  readonly step: number;
  /** What is wrong, and what usually helps. */
  readonly message: string;
}

/** Updates from one look at the spikes to the next: counting them takes less than 1 % of an update. */
const LOOK_EVERY = 10;
/** Looks, one after the other, that say the same before it is passed on: many networks begin silent and find their way. */
const LOOKS = 3;
/** A layer in which fewer than one neuron of a thousand spikes once, in all steps together, tells the next one nothing; the bound per step falls with T, as latency codes' rates do. */
const SILENT_PER_SAMPLE = 1e-3;
/** Spikes per step of a layer that hardly ever does not fire. */
const SATURATED = 0.95;
/** Updates with the same loss to the bit, one after the other, before it is said. */
const CONSTANT = 30;

/** Spikes counted in one forward pass, on the device. */
export class SpikeCounter {
  readonly #lengths: Lengths | undefined;
  readonly #share: BatchShare | undefined;
  readonly #counts: { layer: string; shape: readonly number[]; spikes: Tensor }[] = [];

  /**
   * @param lengths as they are when `activity` is asked for. Default: all steps are valid.
   * @param share of the batch that the pass has. Default: all.
   */
  constructor(lengths?: Lengths, share?: BatchShare) {
    this.#lengths = lengths;
    this.#share = share;
  }

  /** A spike is 1, so their squares' sum is their number. */
  readonly add = (layer: string, spikes: Tensor, valid?: Tensor): void => {
    const { dense } = spikes.device;
    if (!valid) return void this.#counts.push({ layer, shape: spikes.shape, spikes: dense.sumOfSquares(spikes) });
    using column = valid.reshape([valid.size, 1]);
    this.#counts.push({ layer, shape: spikes.shape, spikes: dense.channelSums(column) });
  };

  /** The numbers of spikes, [1] each, in the order of the layers. */
  get tensors(): Tensor[] {
    return this.#counts.map(({ spikes }) => spikes);
  }

  /** By layer, from the numbers that `tensors` hold, summed over all ranks, and the number of all valid steps. */
  activity(counts: readonly number[], validSteps: number): Map<string, Activity> {
    const totals = new Map<string, Activity>();
    this.#counts.forEach(({ layer, shape: [all, own, ...of] }, i) => {
      const batch = this.#share?.all ?? own;
      const rest = [batch, ...of];
      const steps = this.#lengths ? validSteps / batch : all;
      const { spikes, neurons } = totals.get(layer) ?? { spikes: 0, neurons: 0 };
      totals.set(layer, { steps, spikes: spikes + counts[i], neurons: neurons + rest.reduce((product, length) => product * length, 1) });
    });
    return totals;
  }

  dispose(): void {
    for (const { spikes } of this.#counts) spikes.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

export interface Activity {
  /** T; of samples of several lengths, the mean. */
  steps: number;
  /** All of them. */
  spikes: number;
  /** In all samples of the batch. */
  neurons: number;
}

interface Streak extends Activity {
  kind: "silent" | "saturated" | undefined;
  looks: number;
}

/** Watches a training for what makes it come to nothing without an error, and says each thing once. */
export class TrainingWatch {
  readonly warnings: TrainingWarning[] = [];
  readonly #streaks = new Map<string, Streak>();
  #looks = 0;
  #loss = { value: NaN, updates: 0 };

  /** Whether update `step` (from 0) is to be looked at: at least the first and the last. */
  looksAt(step: number, isLast: boolean): boolean {
    return step % LOOK_EVERY === 0 || (isLast && this.#looks < 2);
  }

  /** Takes in an update (from 1) and, where it was looked at, its spikes. Returns what is new. */
  see(step: number, loss: number, accuracy: number, activity?: ReadonlyMap<string, Activity>): TrainingWarning[] {
    const found: TrainingWarning[] = [];
    const updates = loss === this.#loss.value && accuracy < 1 ? this.#loss.updates + 1 : 1;
    this.#loss = { value: loss, updates };
    if (updates === CONSTANT) found.push(constantLoss(step, loss));
    if (!activity) return this.#new(found);
    this.#looks++;
    for (const [layer, counts] of activity) {
      const kind = judge(counts);
      const before = this.#streaks.get(layer);
      const streak: Streak = before && before.kind === kind
        ? { ...counts, kind, looks: before.looks + 1, spikes: before.spikes + counts.spikes, neurons: before.neurons + counts.neurons }
        : { ...counts, kind, looks: 1 };
      this.#streaks.set(layer, streak);
      if (streak.looks >= LOOKS) found.push(...layerWarning(layer, streak, step));
    }
    return this.#new(found);
  }

  /** At the end of a training too short for as many looks: what all of them, two at least, said. */
  end(step: number): TrainingWarning[] {
    return this.#looks < 2 ? [] : this.#new([...this.#streaks].flatMap(([layer, streak]) => (streak.looks === this.#looks ? layerWarning(layer, streak, step) : [])));
  }

  #new(found: readonly TrainingWarning[]): TrainingWarning[] {
    const fresh = found.filter(({ kind, layer }) => !this.warnings.some((known) => known.kind === kind && known.layer === layer));
    this.warnings.push(...fresh);
    return fresh;
  }
}

function judge({ steps, spikes, neurons }: Activity): Streak["kind"] {
  if (spikes < SILENT_PER_SAMPLE * neurons) return "silent";
  return spikes > SATURATED * steps * neurons ? "saturated" : undefined;
}

function layerWarning(layer: string, { kind, looks, steps, spikes, neurons }: Streak, step: number): TrainingWarning[] {
  if (kind === undefined) return [];
  const rate = spikes / (steps * neurons);
  const said = `layer ${layer} ${kind === "silent" ? "does not fire" : "fires at nearly every step"}: ${spikes === 0 ? "no spike at all" : `${Number(rate.toPrecision(3))} spikes per neuron and step`} ` +
    `in ${looks} ${looks === 1 ? "batch" : "batches"} looked at up to update ${step}. ${effects[kind]}`;
  return [{ kind, layer, rate, step, message: said }];
}

const effects = {
  silent: "Nothing of the input reaches the layers after it. What usually helps: a lower threshold, decayInput: false where the neuron has it (the input is then not divided by tau), larger inputs or weights, " +
    "a batchNorm2d before it; if it fired before, a smaller learning rate.",
  saturated: "It says nothing about the input. What usually helps: a higher threshold, smaller inputs (float images are taken as they are: 0 … 1, not 0 … 255) or weights, " +
    "a batchNorm2d before it, a neuron that resets, a smaller learning rate.",
};

const constantLoss = (step: number, loss: number): TrainingWarning => ({
  kind: "constantLoss", step,
  message: `the loss has been ${Number(loss.toPrecision(6))}, the same to the bit, for ${CONSTANT} updates up to update ${step}: nothing is learnt. ` +
    "What usually helps: see that all layers fire, a larger learning rate, a surrogate that is wider.",
});
