import { isBinary } from "../neuron/firing.ts";
import { type NeuronLayer, runNeurons, type Wanted } from "./neuronCall.ts";
import { validSpikes } from "./overTime.ts";
import type { Tape } from "./tape.ts";
import { Deferred, type Variable } from "./variable.ts";

/**
 * The spikes of a layer. The kernel runs when a result is asked for, so that it writes what is needed and no more: spikes,
 * or a membrane for the read-out that follows.
 */
export class Spikes extends Deferred {
  readonly #tape: Tape;
  readonly #layer: NeuronLayer;
  readonly #input: Variable;

  constructor(tape: Tape, layer: NeuronLayer, input: Variable) {
    const requiresGradient = tape.training && (input.requiresGradient || layer.learnt.length > 0);
    super(tape, { shape: input.shape, time: "varying", batch: input.batch, requiresGradient });
    this.#tape = tape;
    this.#layer = layer;
    this.#input = input;
  }

  protected override compute(): Variable {
    const spikes = this.#run({ spikes: true, traces: [], finals: [], firing: false });
    if (isBinary(this.#layer.neuron.next.spike)) this.#tape.onSpikes?.(this.#layer.name, spikes.value, this.#tape.lengths && validSpikes(this.#tape, spikes).value);
    this.#tape.penalize?.(this.#tape, this.#layer.name, spikes);
    return spikes;
  }

  /** The states that can be read. */
  get states(): readonly string[] {
    return this.#layer.readableStates();
  }

  /** A state after each step, [T, B, ...]. */
  trace(state: string): Variable {
    return this.#run({ spikes: false, traces: [state], finals: [], firing: false });
  }

  /** A state after the last step, [B, ...]. */
  final(state: string): Variable {
    return this.#run({ spikes: false, traces: [], finals: [state], firing: false });
  }

  /** The one output that is wanted; a recorder sees more. */
  #run(wanted: Wanted): Variable {
    return this.#tape.within(this.#layer.name, () => this.#runHere(wanted));
  }

  #runHere(wanted: Wanted): Variable {
    const { recorder } = this.#tape;
    if (!recorder) return runNeurons(this.#tape, this.#layer, this.#input, wanted)[0];
    const { neuron, name } = this.#layer;
    const { membrane, firing } = recorder.wants(neuron);
    const traces = [...new Set([...wanted.traces, ...(membrane === undefined ? [] : [membrane])])];
    const [spikes, ...others] = runNeurons(this.#tape, this.#layer, this.#input, { spikes: true, traces, finals: wanted.finals, firing });
    const [potential, threshold] = firing ? others.slice(-2) : [];
    recorder.add(name, neuron, {
      valid: this.#tape.lengths && { spikes: validSpikes(this.#tape, spikes).value, lengths: this.#tape.lengths.steps }, spikes: spikes.value, membrane: membrane === undefined ? undefined : others[traces.indexOf(membrane)].value, potential: potential?.value, threshold: threshold?.value,
    });
    return wanted.spikes ? spikes : wanted.traces.length > 0 ? others[0] : others[traces.length];
  }
}
