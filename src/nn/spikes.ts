import { NeuronError } from "../errors.ts";
import type { FusedKernel, Tensor } from "../device/device.ts";
import type { Extent, PlanRequest, TimeLayout } from "../fusion/plan.ts";
import { elements } from "./axes.ts";
import { termInputs } from "./fusedInput.ts";
import { accumulate } from "./parameter.ts";
import type { Spiking } from "./spiking.ts";
import { termsOf } from "./sum.ts";
import type { Tape } from "./tape.ts";
import { Deferred, type Variable } from "./variable.ts";

type Buffers = Record<string, Tensor>;

/** What the kernel of a spiking layer is to write. */
interface Wanted {
  spikes: boolean;
  /** States of which every step is wanted. */
  traces: readonly string[];
  /** States wanted after the last step. */
  finals: readonly string[];
}

/**
 * The spikes of a layer. The kernel runs when its result is asked for, so that it writes what is needed: spikes,
 * or a membrane for the read-out that follows.
 */
export class Spikes extends Deferred {
  readonly #layer: Spiking;
  readonly #input: Variable;

  constructor(tape: Tape, layer: Spiking, input: Variable) {
    super(tape, { shape: input.shape, time: "varying", batch: input.batch, requiresGradient: tape.training && (input.requiresGradient || layer.learnt.length > 0) });
    this.#layer = layer;
    this.#input = input;
  }

  protected override compute(): Variable {
    return this.#run({ spikes: true, traces: [], finals: [] });
  }

  /** A state after each step, [T, B, ...]. */
  trace(state: string): Variable {
    this.#require(state);
    return this.#run({ spikes: false, traces: [state], finals: [] });
  }

  /** A state after the last step, [B, ...]. */
  final(state: string): Variable {
    this.#require(state);
    return this.#run({ spikes: false, traces: [], finals: [state] });
  }

  /** The one output that is wanted; a recorder sees more. */
  #run(wanted: Wanted): Variable {
    const { recorder } = this.tape;
    if (!recorder) return launch(this.tape, this.#layer, this.#input, wanted)[0];
    const traces = [...new Set([...wanted.traces, ...recorder.traces(Object.keys(this.#layer.neuron.state))])];
    const [spikes, ...others] = launch(this.tape, this.#layer, this.#input, { spikes: true, traces, finals: wanted.finals });
    const [recorded] = recorder.traces(traces);
    recorder.add(this.#layer.name, spikes.value, recorded === undefined ? undefined : others[traces.indexOf(recorded)].value);
    return wanted.spikes ? spikes : wanted.traces.length > 0 ? others[0] : others[traces.length];
  }

  #require(state: string): void {
    const { neuron } = this.#layer;
    if (!(state in neuron.state)) throw new NeuronError(`neuron ${neuron.name} has no state ${state}; it has ${Object.keys(neuron.state).join(", ")}`);
  }
}

/** Runs a spiking layer's kernel over all T steps and puts it on the tape; the outputs are in the order of `wanted`. */
function launch(tape: Tape, layer: Spiking, input: Variable, wanted: Wanted): Variable[] {
  const { device, steps, carry } = tape;
  const terms = termsOf(input).map((term, i) => {
    const [x, scale, shift] = termInputs(layer.neuron.inputs[0], term.affine ? "affine" : "plain", i);
    return { ...term, x, scale, shift };
  });
  const kinds = terms.map(({ affine }) => (affine ? "affine" : "plain"));
  const inputs = terms.flatMap(({ variable, affine, x, scale, shift }) => [
    { name: x, variable, extent: "neuron" as Extent },
    ...(affine ? [{ name: scale, variable: affine.scale, extent: "channel" as Extent }, { name: shift, variable: affine.shift, extent: "channel" as Extent }] : []),
  ]);
  const shape = [steps, input.batch, ...input.shape];
  const size = elements(shape) / steps;
  const channels = input.shape[input.shape.length - 1];
  const states = Object.keys(layer.neuron.state);
  const call = carry?.nextCall() ?? 0;
  const incoming = carry?.states(call);

  const [first, second] = terms;
  const sameGradient = second !== undefined && !first.affine && !second.affine && first.variable.time === second.variable.time;
  const differentiated = inputs.filter(({ variable, name }) => tape.training && variable.requiresGradient && !(sameGradient && name === second.x && first.variable.requiresGradient));
  const learnt = tape.training ? layer.learnt : [];
  const learns = differentiated.length > 0 || learnt.length > 0;
  const gradients = learns ? [...differentiated.map(({ name }) => name), ...learnt, ...(incoming ? states.map((name) => `state.${name}`) : [])] : [];

  const planned = (seeds: Record<string, TimeLayout>): FusedKernel => {
    const request: Omit<PlanRequest, "neuron" | "params"> = {
      steps,
      inputs: Object.fromEntries(inputs.map(({ name, variable, extent }) => [name, { time: variable.time === "varying" ? "varying" : "constant", extent }])),
      outputs: wanted.spikes ? { spike: "f32" } : {},
      record: wanted.traces,
      finalState: wanted.finals.length > 0 || carry !== undefined,
      initialState: incoming !== undefined,
      gradients,
      seeds,
    };
    return layer.kernel(tape, kinds, request);
  };
  const expected: Record<string, TimeLayout> = {
    ...(wanted.spikes ? { spike: "varying" } : {}),
    ...Object.fromEntries(wanted.traces.map((name) => [`trace.${name}`, "constant" as const])),
    ...Object.fromEntries((carry ? states : wanted.finals).map((name) => [`final.${name}`, "constant" as const])),
  };
  const kernel = planned(learns ? expected : {});

  const given: Buffers = {
    ...Object.fromEntries(inputs.map(({ name, variable }) => [name, variable.value])),
    ...Object.fromEntries(layer.learnt.map((name) => [name, layer.parameter(name).value])),
    ...Object.fromEntries(states.flatMap((name) => (incoming ? [[`state.${name}`, incoming[name]]] : []))),
  };
  const written: Buffers = {};
  const checkpoints: Buffers = {};
  for (const { name, direction, time } of kernel.plan.forward.buffers) {
    if (direction === "in") continue;
    if (time === "checkpoint") checkpoints[name] = device.empty([Math.ceil(steps / kernel.plan.checkpointEvery!) - 1, size]);
    else written[name] = device.empty(time === "varying" ? shape : shape.slice(1));
  }
  kernel.forward({ steps, size, channels, buffers: { ...given, ...written, ...checkpoints } });
  carry?.setStates(call, Object.fromEntries(states.map((name) => [name, written[`final.${name}`]])));

  const outputs = [
    ...(wanted.spikes ? ["spike"] : []),
    ...wanted.traces.map((name) => `trace.${name}`),
    ...wanted.finals.map((name) => `final.${name}`),
  ];
  return tape.record({
    inputs: inputs.map(({ variable }) => variable),
    outputs: outputs.map((name) => ({ value: written[name], shape: input.shape, time: name.startsWith("final.") ? "none" : "varying" })),
    saved: [...Object.values(checkpoints), ...Object.entries(written).flatMap(([name, tensor]) => (outputs.includes(name) ? [] : [tensor]))],
    learns,
    constantGradient: true,
    always: carry !== undefined,
    backward(received) {
      const seeds: Buffers = {};
      const owned: Tensor[] = [];
      for (const [name, gradient] of Object.entries(learns && carry ? carry.takeGradients(call) : {})) {
        seeds[`final.${name}`] = gradient;
        owned.push(gradient);
      }
      received.forEach((gradient, i) => {
        if (!gradient) return;
        if (seeds[outputs[i]]) device.dense.addInto(seeds[outputs[i]], gradient, 1);
        else seeds[outputs[i]] = gradient;
      });
      if (!learns || Object.keys(seeds).length === 0) return [];
      const layouts = Object.entries(seeds).map(([name, seed]) => [name, !name.startsWith("final.") && seed.size === size * steps ? "varying" : "constant"] as const);
      const computed: Buffers = Object.fromEntries([
        ...differentiated.map(({ name, variable }) => [`grad.${name}`, device.empty(variable.value.shape)]),
        ...learnt.map((name) => [`grad.${name}`, device.empty(layer.parameter(name).value.shape)]),
        ...(incoming ? states : []).map((name) => [`grad.state.${name}`, device.empty(shape.slice(1))]),
      ]);
      planned(Object.fromEntries(layouts)).backward({
        steps, size, channels,
        buffers: { ...given, ...checkpoints, ...Object.fromEntries(Object.entries(seeds).map(([name, seed]) => [`d.${name}`, seed])), ...computed },
      });
      owned.forEach((tensor) => tensor.dispose());
      for (const name of learnt) accumulate(layer.parameter(name), computed[`grad.${name}`]);
      if (incoming) carry!.setGradients(call, Object.fromEntries(states.map((name) => [name, computed[`grad.state.${name}`]])));
      return inputs.map(({ name }) => computed[`grad.${sameGradient && name === second.x && first.variable.requiresGradient ? first.x : name}`]);
    },
  });
}
