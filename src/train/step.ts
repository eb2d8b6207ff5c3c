import { DeviceError } from "../errors.ts";
import { clearGradients } from "../nn/parameter.ts";
import type { Activity } from "./activity.ts";
import { TrainingError } from "./error.ts";
import { DIVERGED, explainWeights } from "./finite.ts";
import { partsOf } from "./loss.ts";
import { type Outcome, Pass, type StepInput, type StepParts } from "./pass.ts";

/** How the updates of a training run on the device, where it can record work: told when it changes. */
export interface GraphEvent {
  /** Updates of a shape are launched as one graph from now on; or all updates run call by call. */
  readonly kind: "recorded" | "callByCall";
  /** The update, from 1. */
  readonly step: number;
  /** What is recorded and why, or why nothing is. */
  readonly message: string;
}

export interface StepResult {
  loss: number;
  correct: number;
  /** What regularisers add to the loss, where there are any. */
  penalty: number | undefined;
  /** Of the spiking layers, where it was looked at. */
  activity: ReadonlyMap<string, Activity> | undefined;
  /** Whether one of several ranks asks all to stop. */
  stop: boolean;
}

/** Shapes whose tensors are kept: batches whole and last, looked at and not, and a few of earlier calls of `fit`. */
const SHAPES = 8;

type Say = (kind: GraphEvent["kind"], message: string) => void;

/** An update that is under way. */
interface Update {
  pass: Pass;
  outcome: Outcome;
  /** Frees what is of no use once the outcome is read. */
  end(): void;
}

interface Shape {
  pass: Pass;
  /** Why it is not recorded, or not any more. */
  why: string;
}

/**
 * Updates the weights, one batch at a time. Where the device can record, the first update of a shape (input, and whether spikes are counted) runs call by call, the second is
 * recorded, and it and those that follow are one launch each.
 */
export class TrainingStep {
  readonly #parts: StepParts;
  readonly #shapes = new Map<string, Shape>();
  #records: boolean;

  /** @param graph whether to record, where the device can */
  constructor(parts: StepParts, graph: boolean) {
    this.#parts = parts;
    this.#records = graph && parts.model.device.capture !== undefined;
  }

  /** @throws TrainingError if the loss, a gradient or a weight is no longer finite; DeviceError, saying in which layer, if the device fails. */
  async run(given: StepInput, onGraph: (event: GraphEvent) => void): Promise<StepResult> {
    const { model, optimizer } = this.#parts;
    try {
      optimizer.prepare(given.factor);
      const { pass, outcome, end } = this.#update(given, (kind, message) => onGraph({ kind, step: given.update, message: `update ${given.update}: ${message}` }));
      try {
        optimizer.count++;
        return await this.#read(given, pass, outcome);
      } finally {
        end();
      }
    } catch (error) {
      throw error instanceof DeviceError ? new DeviceError(`update ${given.update}: ${error.message}`, { cause: error }) : error;
    } finally {
      clearGradients(model.parameters());
    }
  }

  /** Gives recorded work, and the memory that it takes, back; what comes again is recorded again. */
  release(why: string): void {
    for (const shape of this.#shapes.values()) {
      if (shape.pass.graph) shape.why = why;
      shape.pass.forget();
    }
  }

  dispose(): void {
    for (const { pass } of this.#shapes.values()) pass.dispose();
    this.#shapes.clear();
  }

  /** The update, recorded or not. */
  #update(given: StepInput, say: Say): Update {
    return (this.#records ? this.#recorded(given, say) : undefined) ?? this.#once(given);
  }

  #once(given: StepInput): Update {
    const pass = new Pass(this.#parts, given, false);
    return ran(pass, given, () => pass.dispose());
  }

  /** Undefined if it cannot be recorded, from now on. */
  #recorded(given: StepInput, say: Say): Update | undefined {
    const { loss, model: { device } } = this.#parts;
    if (!partsOf(loss)) return this.#refuse(`the loss ${loss.name} takes the labels from the host in each update; one that defineLoss makes does not`, say);
    const { input: { shape }, lengths, looks, share } = given;
    const key = `an input [${shape.join(", ")}]${share ? ` of ${share.all} samples` : ""}${lengths ? ", padded" : ""}${looks ? " and counting spikes" : ""}`;
    const known = this.#shapes.get(key);
    if (!known) return this.#first(key, given, say);
    const { pass, why } = known;
    this.#requireWeights();
    pass.fill(given);
    if (!pass.graph) {
      const start = performance.now();
      try {
        pass.record([...this.#shapes.values()].find((other) => other.pass.graph)?.pass.graph);
      } catch (error) {
        if (!(error instanceof DeviceError)) throw error;
        return this.#refuse(error.message, say);
      }
      say("recorded", `the update for ${key} is one launch on ${device.name} from now on: ${why}; recording it took ${(performance.now() - start).toFixed(1)} ms`);
    }
    return { pass, outcome: pass.launch(), end: () => undefined };
  }

  /** The first update of a shape: it finds the memory of those recorded before free. */
  #first(key: string, given: StepInput, say: Say): Update {
    this.release(`its memory was given to the first update for ${key}`);
    const [oldest] = this.#shapes.keys();
    if (this.#shapes.size >= SHAPES) {
      this.#shapes.get(oldest)!.pass.dispose();
      this.#shapes.delete(oldest);
    }
    const pass = new Pass(this.#parts, given, true);
    const update = ran(pass, given, () => pass.drawsItself && pass.dispose());
    if (pass.drawsItself) this.#refuse("a layer draws from tape.random itself; values that tape.feed makes can be made anew for each launch", say);
    else this.#shapes.set(key, { pass, why: "the one before was the first of its shape" });
    return update;
  }

  #refuse(why: string, say: Say): undefined {
    this.#records = false;
    this.dispose();
    say("callByCall", `updates run call by call: ${why}`);
  }

  /** A graph would go on with memory that is no longer the model's. @throws DeviceError once the model is disposed. */
  #requireWeights(): void {
    for (const { value } of this.#parts.model.parameters().slice(0, 1)) value.reshape(value.shape).dispose();
  }

  async #read({ update, validSteps }: StepInput, pass: Pass, { results, counter }: Outcome): Promise<StepResult> {
    const { model, regularizers, clipper, parallel } = this.#parts;
    const [weights, ...rest] = await (parallel ? parallel.unlessLost(model.device.read(results)) : model.device.read(results));
    const factor = clipper && rest.shift();
    const [lossValue, correct] = rest.splice(0, 2);
    const stop = parallel !== undefined && rest.pop()! > 0;
    const penalty = regularizers.length > 0 ? rest.shift() : undefined;
    await pass.withGradients(() => checkUpdate(this.#parts, update, { loss: lossValue, weights, factor }));
    return { loss: lossValue, correct, penalty, activity: counter?.activity(rest, validSteps), stop };
  }
}

/**
 * @param found the loss, the sum of the weights' squares and, where there is one, the clip factor of an update whose gradients are still there
 * @throws TrainingError if one is not finite, or nothing of the gradients is left
 */
export async function checkUpdate({ model, loss: { name } }: StepParts, update: number, { loss, weights, factor }: { loss: number; weights: number; factor: number | undefined }): Promise<void> {
  if (!Number.isFinite(loss)) throw new TrainingError(`update ${update}: the loss ${name} is ${loss}. ${DIVERGED} The last checkpoint is intact.`);
  if (!Number.isFinite(weights)) throw await explainWeights(model, update);
  if (factor === 0) throw new TrainingError(`update ${update}: the gradients are so large that clipNorm leaves nothing of them. ${DIVERGED} The last checkpoint is intact.`);
}

/** An update call by call. */
function ran(pass: Pass, { random }: StepInput, after: () => void): Update {
  try {
    const outcome = pass.run(random());
    return { pass, outcome, end: () => { outcome[Symbol.dispose](); after(); } };
  } catch (error) {
    pass.dispose();
    throw error;
  }
}
