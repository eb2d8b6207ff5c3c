import type { FusedKernel, Precision, Tensor } from "../device/device.ts";
import type { Extent, PlanRequest, TimeLayout } from "../fusion/plan.ts";
import type { Neuron } from "../neuron/define.ts";
import { firingNames, isBinary } from "../neuron/firing.ts";
import { elements, merged } from "./axes.ts";
import { delayed } from "./delay.ts";
import { termInputs, type TermKind } from "./fusedInput.ts";
import type { Parameter } from "./layer.ts";
import { accumulate } from "./parameter.ts";
import { type ActivationType, cast } from "./precision.ts";
import type { Carried } from "./states.ts";
import { takeTerms, type Term } from "./sum.ts";
import type { Tape } from "./tape.ts";
import type { Variable } from "./variable.ts";

/** A spiking layer, as its calls know it. */
export interface NeuronLayer {
  readonly name: string;
  readonly neuron: Neuron;
  /** Names of the neuron's parameters that are learnt. */
  readonly learnt: readonly string[];
  /** The values of parameters that kernels read: learnt ones, and fixed ones that differ from neuron to neuron. */
  readonly given: Readonly<Record<string, Tensor>>;
  /** Of how many neurons those have a value each: neuron n belongs to channel n mod channels. */
  readonly channels: number;
  readonly activationType: ActivationType;
  readonly precision: Precision;
  readonly packsSpikes: boolean;
  /** Of a recurrent layer with dense weights: the input and the state of `Mix`, and W [H, H]. */
  readonly mix: { readonly input: string; readonly state: string; readonly weight: Parameter } | undefined;
  /** The states that a read-out can have. */
  readableStates(): readonly string[];
  /** The parameter that holds a learnt value of the neuron. */
  parameter(name: string): Parameter;
  /** The kernel for an input of these terms; `request` says the rest. With `firing`, the neuron has the outputs of `withFiring`. */
  kernel(tape: Tape, terms: readonly TermKind[], firing: boolean, request: Omit<PlanRequest, "neuron" | "params">): FusedKernel;
}

/** What the kernel of a spiking layer is to write. */
export interface Wanted {
  spikes: boolean;
  /** States of which every step is wanted. */
  traces: readonly string[];
  /** States wanted after the last step. */
  finals: readonly string[];
  /** Whether to write what decides each spike: the outputs that `firingNames` calls potential and threshold. */
  firing: boolean;
}

/** Runs a spiking layer over all T steps in one kernel and puts it on the tape. The outputs are in the order of `wanted`. */
export function runNeurons(tape: Tape, layer: NeuronLayer, input: Variable, wanted: Wanted): Variable[] {
  const call = new NeuronCall(tape, layer, input, wanted);
  const { values, saved } = call.forward();
  return tape.record({
    inputs: call.inputs.map(({ variable }) => variable),
    outputs: call.outputs.map((name, i) => ({ value: values[i], shape: input.shape, time: name.startsWith("final.") ? "none" : "varying", isSpikes: name === "spike" && isBinary(layer.neuron.next.spike) })),
    saved,
    learns: call.learns,
    constantGradient: true,
    always: tape.carry !== undefined,
    backward: (received) => call.backward(received),
  });
}

type Buffers = Record<string, Tensor>;

interface KernelInput {
  name: string;
  variable: Variable;
  extent: Extent;
  /** The input whose gradient is this one's too. */
  gradientOf: string;
}

/** One call of a spiking layer: which kernel, with what buffers, forward and backward. */
class NeuronCall {
  readonly inputs: readonly KernelInput[];
  /** Names of the buffers that are wanted. */
  readonly outputs: readonly string[];
  readonly #tape: Tape;
  readonly #layer: NeuronLayer;
  readonly #wanted: Wanted;
  readonly #terms: readonly Term[];
  /** [T, B, ...] */
  readonly #shape: readonly number[];
  readonly #size: number;
  readonly #channels: number;
  readonly #states: readonly string[];
  /** Of what varies over time: inputs, their gradients, spikes and the gradients of those. */
  readonly #elements: ActivationType;
  /** Outputs to look at, through which no gradient flows. */
  readonly #firing: readonly string[];
  /** When the network runs step by step: the number of this call, and the states it begins with, if not the first step's. */
  readonly #number: number;
  readonly #begin: Readonly<Buffers> | undefined;
  /** Inputs and parameters whose gradients the kernel computes. */
  readonly #differentiated: readonly string[];
  readonly #learnt: readonly string[];
  /** What the forward kernel writes for the backward kernel alone. */
  #kept: Buffers = {};
  /** The spikes of a recurrent layer, for the gradient of its weights. */
  #spikes: Tensor | undefined;

  constructor(tape: Tape, layer: NeuronLayer, input: Variable, wanted: Wanted) {
    const { states, training, steps } = tape;
    this.#tape = tape;
    this.#layer = layer;
    this.#wanted = wanted;
    this.#elements = layer.activationType;
    this.#terms = takeTerms(input).map((term) => ({ ...term, variable: cast(tape, term.variable, term.variable.time === "varying" ? this.#elements : "f32") }));
    this.#shape = [steps, input.batch, ...input.shape];
    this.#size = elements(this.#shape) / steps;
    this.#channels = layer.channels;
    this.#states = Object.keys(layer.neuron.state);
    this.#firing = wanted.firing ? Object.values(firingNames(layer.neuron)) : [];
    this.#number = states?.nextCall() ?? 0;
    this.#begin = states?.states(this.#number, this.#carried);
    this.inputs = kernelInputs(layer.neuron, this.#terms, this.#elements === "f32" ? layer.mix?.input : undefined);
    this.outputs = [...(wanted.spikes ? ["spike"] : []), ...wanted.traces.map((name) => `trace.${name}`), ...wanted.finals.map((name) => `final.${name}`), ...this.#firing];
    this.#differentiated = [...new Set(this.inputs.filter(({ variable }) => training && variable.requiresGradient).map(({ gradientOf }) => gradientOf))];
    this.#learnt = training ? layer.learnt : [];
  }

  get differentiates(): boolean {
    return this.#differentiated.length + this.#learnt.length > 0 || this.#learnsMix;
  }

  /** The parameters whose gradients `backward` adds to. */
  get learns(): Parameter[] {
    return [...this.#learnt.map((name) => this.#layer.parameter(name)), ...(this.#learnsMix ? [this.#layer.mix!.weight] : [])];
  }

  get #learnsMix(): boolean {
    return this.#tape.training && this.#layer.mix !== undefined;
  }

  /** What goes from this call to that of the steps that follow. */
  get #carried(): Carried {
    return { device: this.#tape.device, names: this.#states, shape: this.#shape.slice(1) };
  }

  forward(): { values: Tensor[]; saved: Tensor[] } {
    const { device, steps, states } = this.#tape;
    const { mix } = this.#layer;
    const kernel = this.#kernel(this.differentiates ? this.#expectedSeeds() : {});
    const written: Buffers = {};
    for (const { name, direction, time, format } of kernel.plan.forward.buffers) {
      if (direction === "in") continue;
      if (name === mix?.input) this.#kept[name] = device.empty(this.#shape);
      else if (time === "checkpoint") this.#kept[name] = device.empty([Math.ceil(steps / kernel.plan.checkpointEvery!) - 1, this.#size]);
      else written[name] = device.empty(time === "varying" ? this.#shape : this.#shape.slice(1), format === "bf16" ? "bf16" : "f32");
    }
    kernel.forward({ steps, size: this.#size, channels: this.#channels, buffers: { ...this.#given(), ...written, ...this.#kept } });
    if (states?.goesOn) states.setStates(this.#number, pick(this.#states, (name) => written[`final.${name}`]));
    if (this.#learnsMix) this.#spikes = this.#keptSpikes(written.spike);
    const others = Object.keys(written).filter((name) => !this.outputs.includes(name));
    return { values: this.outputs.map((name) => written[name]), saved: [...Object.values(this.#kept), ...(this.#spikes ? [this.#spikes] : []), ...others.map((name) => written[name])] };
  }

  backward(received: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
    const { device, steps, carry } = this.#tape;
    const { mix } = this.#layer;
    if (!this.differentiates) return [];
    const carried = carry?.takeGradients(this.#number, this.#carried) ?? {};
    const seeds: Buffers = Object.fromEntries(Object.entries(carried).map(([name, gradient]) => [`final.${name}`, gradient]));
    received.forEach((gradient, i) => {
      const name = this.outputs[i];
      if (gradient && seeds[name]) device.dense.addInto(seeds[name], gradient, 1);
      else if (gradient) seeds[name] = gradient;
    });
    if (Object.keys(seeds).length === 0) {
      if (this.#begin) carry!.setGradients(this.#number, undefined);
      return [];
    }

    const begin = this.#begin ? this.#states : [];
    const variable = new Map(this.inputs.map((input) => [input.name, input.variable]));
    const gradients: Buffers = {
      ...(mix && this.#learnsMix ? { [mix.input]: device.empty(this.#shape) } : {}),
      ...pick(this.#differentiated.filter((name) => name !== mix?.input), (name) => {
        const { shape, dtype } = variable.get(name)!.value;
        return device.empty(shape, dtype);
      }),
      ...pick(this.#learnt, (name) => device.empty(this.#layer.parameter(name).value.shape)),
      ...Object.fromEntries(begin.map((name) => [`state.${name}`, device.empty(this.#shape.slice(1))])),
    };
    const layouts = Object.fromEntries(Object.entries(seeds).map(([name, seed]): [string, TimeLayout] => [name, steps === 1 ? defaultLayout(name) : seed.size === this.#size ? "constant" : "varying"]));
    const casts = this.#castSeeds(seeds, layouts);
    this.#kernel(layouts).backward({
      steps, size: this.#size, channels: this.#channels,
      buffers: { ...this.#given(), ...this.#kept, ...prefixed("d", seeds), ...prefixed("grad", gradients) },
    });
    if (this.#begin) carry!.setGradients(this.#number, pick(this.#states, (name) => gradients[`state.${name}`]));
    for (const gradient of [...Object.values(carried), ...casts]) gradient.dispose();
    for (const name of this.#learnt) accumulate(this.#layer.parameter(name), gradients[name]);
    if (mix) {
      accumulate(mix.weight, this.#weightGradient(mix.weight.value, mix.state, gradients[mix.input]));
      if (!this.#differentiated.includes(mix.input)) gradients[mix.input].dispose();
    }
    return this.inputs.map(({ gradientOf }) => gradients[gradientOf]);
  }

  #kernel(seeds: Record<string, TimeLayout>): FusedKernel {
    const gradients = [...new Set([...this.#differentiated, ...this.#learnt, ...(this.#learnsMix ? [this.#layer.mix!.input] : [])])];
    return this.#layer.kernel(this.#tape, this.#terms.map(termKind), this.#wanted.firing, {
      steps: this.#tape.steps,
      inputs: Object.fromEntries(this.inputs.map(({ name, variable, extent }) => [name, { time: variable.time === "varying" ? "varying" : "constant", extent }])),
      outputs: Object.fromEntries([...(this.#wanted.spikes || this.#learnsMix ? ["spike"] : []), ...this.#firing].map((name) => [name, name === "spike" ? this.#spikeFormat : "f32"] as const)),
      elements: this.#elements,
      record: this.#wanted.traces,
      finalState: this.#wanted.finals.length > 0 || this.#tape.states?.goesOn === true,
      initialState: this.#begin !== undefined,
      gradients: gradients.length > 0 && this.#begin ? [...gradients, ...this.#states.map((name) => `state.${name}`)] : gradients,
      seeds,
    });
  }

  /** A `spike` that is not 0 or 1 alone has no other format than f32. */
  get #spikeFormat(): ActivationType {
    return this.#layer.neuron.next.spike.node.kind === "spike" ? this.#elements : "f32";
  }

  /** The spikes as they are kept for the backward pass: as bits where the model keeps all so. The tensor is this call's own. */
  #keptSpikes(spikes: Tensor): Tensor {
    return this.#layer.packsSpikes && isBinary(this.#layer.neuron.next.spike) ? this.#tape.device.dense.packSpikes(spikes) : spikes.reshape(spikes.shape);
  }

  /** ∂W = Σ over t and samples of s[t − 1]ᵀ·∂mixed[t]. */
  #weightGradient(weight: Tensor, state: string, gradient: Tensor): Tensor {
    const { dense } = this.#tape.device;
    const kept = this.#spikes!;
    const unpacked = kept.dtype === "u32" ? dense.unpackSpikes(kept, this.#shape) : kept.dtype === "f32" ? undefined : dense.cast(kept, "f32");
    using before = delayed(unpacked ?? kept, this.#begin?.[state]);
    unpacked?.dispose();
    using rows = merged(before, 1);
    using gradientRows = merged(gradient, 1);
    return this.#tape.device.denseFor(this.#layer.precision).linearBackward(rows, weight, gradientRows, { input: false, bias: false }).dw;
  }

  /** Seeds in the types that the kernel takes, in place of what arrived otherwise. @returns those that are new. */
  #castSeeds(seeds: Buffers, layouts: Record<string, TimeLayout>): Tensor[] {
    return Object.entries(seeds).flatMap(([name, seed]) => {
      const dtype = name === "spike" && layouts[name] === "varying" ? this.#elements : "f32";
      if (seed.dtype === dtype) return [];
      seeds[name] = this.#tape.device.dense.cast(seed, dtype);
      return [seeds[name]];
    });
  }

  /** The seeds that will most likely arrive, so that both directions are one kernel. */
  #expectedSeeds(): Record<string, TimeLayout> {
    const finals = this.#tape.carry?.goesOn ? this.#states.map((name) => `final.${name}`) : [];
    return Object.fromEntries([...this.outputs.filter((name) => !this.#firing.includes(name)), ...finals].map((name) => [name, defaultLayout(name)]));
  }

  /** Inputs, parameters and first states: what both directions read. */
  #given(): Buffers {
    return {
      ...Object.fromEntries(this.inputs.map(({ name, variable }) => [name, variable.value])),
      ...this.#layer.given,
      ...(this.#layer.mix ? { "mix.weights": this.#layer.mix.weight.value } : {}),
      ...(this.#begin ? prefixed("state", this.#begin) : {}),
    };
  }
}

/** Two plain terms with the same layout receive the same gradient, and so does the input of a recurrent product, `mixed`: the kernel writes it once. */
function kernelInputs(neuron: Neuron, terms: readonly Term[], mixed: string | undefined): KernelInput[] {
  const [neuronInput] = neuron.inputs;
  const names = termInputs(neuron, terms.map(termKind));
  const plain = terms.filter(({ affine }) => !affine);
  const shared = plain.length === 2 && plain[0].variable.time === plain[1].variable.time && plain[0].variable.requiresGradient;
  return terms.flatMap(({ variable, affine }, i): KernelInput[] => {
    const [x, scale, shift] = names[i];
    const input: KernelInput = { name: x, variable, extent: "neuron", gradientOf: mixed && !affine && variable.time === "varying" ? mixed : shared ? neuronInput : x };
    if (!affine) return [input];
    return [
      input,
      { name: scale, variable: affine.scale, extent: "channel", gradientOf: scale },
      { name: shift, variable: affine.shift, extent: "channel", gradientOf: shift },
    ];
  });
}

const termKind = ({ affine }: Term): TermKind => (affine ? "affine" : "plain");

const defaultLayout = (seed: string): TimeLayout => (seed === "spike" ? "varying" : "constant");

const pick = (names: readonly string[], tensor: (name: string) => Tensor): Buffers => Object.fromEntries(names.map((name) => [name, tensor(name)]));

const prefixed = (prefix: string, buffers: Readonly<Buffers>): Buffers => Object.fromEntries(Object.entries(buffers).map(([name, tensor]) => [`${prefix}.${name}`, tensor]));
