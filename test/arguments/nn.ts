import { Random } from "../../src/data/index.ts";
import { lif, parametricLif } from "../../src/neuron/index.ts";
import {
  accumulateGradient, avgPool1d, avgPool2d, batchNorm2d, clearGradients, constantBuffer, constantParameter, conv1d, conv2d, dropout, everyStep, flatten, globalAvgPool1d, globalAvgPool2d, groupNorm, lastMembrane, Layer, Lengths, layerNorm, linear, maxPool1d, maxMembrane, maxPool2d, meanMembrane, membranes, Model, normalParameter, rate, recompute, Recorder, recurrent,
  residual, sequential, sewResnet18, sewResnet34, sewResnet50, type Shape, spikeCount, spiking, spikingResnet18, spikingResnet34, spikingResnet50, spikingVgg11, stepwiseForwardBackward, sumPool2d, Tape, tdBN, tebn, uniformParameter, Variable,
} from "../../src/nn/index.ts";
import { device, makeModel, makePass, model, pass, STEPS, tensor } from "./kit.ts";
import { argument, callback, choice, count, finite, flag, natural, object, optional, options, positive, row, type Row, share, text } from "./table.ts";

const size = argument(() => 2, "number", "list of numbers");
const padding = argument(() => 1);
const zeros = argument(() => 1, "number");
const pooling = options({ stride: size, padding });
const layer = argument(() => linear(4, 4), "function");
export const random = argument(() => new Random(1));
export const aDevice = argument(() => device);
export const shape = argument(() => [4], "list of numbers");
export const aTensor = argument(() => tensor(STEPS, 1, 4));
const init = argument(() => "kaimingFanOut", "number", "fraction");
const aNeuron = argument(() => parametricLif(), "neuron");
const resnet = options({ classes: count, inputChannels: count, neuron: aNeuron, stem: choice("small"), zeroInitResidual: flag }, "classes");
const nothing = argument(() => undefined, "undefined");

const context = options({ model: object, device: aDevice, random, path: argument(() => "", "text", "empty text") }, "model", "device", "random", "path");

const optimizer = argument(() => ({ slots: ["m"] }));
const memory = options({ batch: count, optimizer, timeConstant: flag, timeChunks: count }, "batch");

class Own extends Layer {
  readonly kind = "own";
  protected override setUp(input: Shape): Shape { return input; }
  protected override run(_tape: Tape, x: Variable): Variable { return x; }
}

export const nn: Record<string, Row> = {
  linear: row(linear, { inputs: count, outputs: count, options: options({ bias: flag, init }) }),
  conv2d: row(conv2d, { inputs: count, outputs: count, options: options({ kernel: size, stride: size, padding, dilation: size, groups: count, bias: flag, init }, "kernel") }),
  conv1d: row(conv1d, { inputs: count, outputs: count, options: options({ kernel: count, stride: count, padding: zeros, dilation: count, groups: count, bias: flag, init }, "kernel") }),
  maxPool1d: row(maxPool1d, { size: count, options: options({ stride: count, padding: zeros }) }),
  avgPool1d: row(avgPool1d, { size: count, options: options({ stride: count, padding: zeros }) }),
  globalAvgPool1d: row(globalAvgPool1d),
  tdBN: row(tdBN, { channels: count, options: options({ eps: positive, momentum: share, alpha: finite, threshold: positive }) }),
  tebn: row(tebn, { steps: count, channels: count, options: options({ eps: positive, momentum: share, init: finite }) }),
  layerNorm: row(layerNorm, { channels: count, options: options({ eps: positive }) }),
  groupNorm: row(groupNorm, { groups: count, channels: count, options: options({ eps: positive }) }),
  maxPool2d: row(maxPool2d, { size, options: pooling }),
  avgPool2d: row(avgPool2d, { size, options: pooling }),
  sumPool2d: row(sumPool2d, { size, options: pooling }),
  globalAvgPool2d: row(globalAvgPool2d),
  flatten: row(flatten),
  rate: row(rate),
  spikeCount: row(spikeCount),
  everyStep: row(everyStep),
  maxMembrane: row(maxMembrane, { state: optional(text) }),
  membranes: row(membranes, { state: optional(text) }),
  Lengths: row((...given: [never, never]) => new Lengths(...given), { device: aDevice, steps: argument(() => Int32Array.of(1, 2)) }),
  "Lengths.set": row((given: never) => new Lengths(device, Int32Array.of(1)).set(given), { steps: argument(() => Int32Array.of(2)) }),
  "Lengths.ofValues": row((...given: [never, never]) => new Lengths(device, Int32Array.of(1)).ofValues(...given).dispose(), { figure: choice("length"), size: count }),
  "Lengths.dispose": row(() => new Lengths(device, Int32Array.of(1)).dispose()),
  lastMembrane: row(lastMembrane, { state: optional(text) }),
  meanMembrane: row(meanMembrane, { state: optional(text) }),
  batchNorm2d: row(batchNorm2d, { channels: count, options: options({ eps: positive, momentum: share, init: finite }) }),
  dropout: row(dropout, { p: share }),
  spiking: row(spiking, {
    neuron: aNeuron,
    options: options({ learn: argument(() => ["w"], "list"), perChannel: argument(() => ["w"], "list"), fixed: argument(() => ({}), "object", "bare object") }),
  }),
  recurrent: row(recurrent, {
    neuron: aNeuron,
    options: options({ learn: argument(() => ["w"], "list"), perChannel: argument(() => ["w"], "list"), fixed: argument(() => ({}), "object", "bare object"), weights: choice("dense"), bias: flag, init }),
  }),
  sequential: row(sequential, { layer }),
  recompute: row(recompute, { layer }),
  residual: row(residual, { layer, "layer or options": { ...options({ shortcut: layer }), right: ["object", "bare object", "function"] } }),
  spikingResnet18: row(spikingResnet18, { options: resnet }),
  spikingResnet34: row(spikingResnet34, { options: resnet }),
  spikingResnet50: row(spikingResnet50, { options: resnet }),
  sewResnet18: row(sewResnet18, { options: resnet }),
  sewResnet34: row(sewResnet34, { options: resnet }),
  sewResnet50: row(sewResnet50, { options: resnet }),
  spikingVgg11: row(spikingVgg11, {
    options: options({ classes: count, inputChannels: count, neuron: aNeuron, batchNorm: flag, grid: count, hidden: argument(() => [64], "list", "list of numbers"), dropout: share }, "classes"),
  }),
  uniformParameter: row(uniformParameter, { context, name: text, shape, bound: positive, decay: flag }),
  normalParameter: row(normalParameter, { context, name: text, shape, deviation: positive, decay: flag }),
  constantParameter: row(constantParameter, { context, name: text, length: count, value: finite }),
  constantBuffer: row(constantBuffer, { context, name: text, length: count, value: finite }),
  accumulateGradient: row(accumulateGradient, { parameter: argument(() => ({ ...model.parameters()[0], gradient: null })), gradient: aTensor }),
  clearGradients: row(clearGradients, { parameters: argument(() => model.parameters(), "list") }),
  stepwiseForwardBackward: row((m: Model, input: never, gradient: never, given: never) => stepwiseForwardBackward(m, input, gradient, given), {
    model: argument(makeModel), input: argument(() => tensor(1, 1, 4)), lossGradient: argument(() => () => tensor(1, 3)), options: options({ random, goOn: argument(() => () => true, "function") }),
  }),

  "Layer.build": row((...given: [never, never]) => new Own().build(...given), {
    shape, context,
  }),
  "Layer.forward": row((...given: [never, never]) => model.body.layers()[0].forward(...given), { tape: argument(() => pass.tape), x: argument(() => pass.input) }),
  "Layer.belongsTo": row(() => new Own().belongsTo({})),
  "Layer.parameters": row(() => new Own().parameters()),
  "Layer.buffers": row(() => new Own().buffers()),
  "Layer.layers": row(() => new Own().layers()),
  "Layer.readableStates": row(() => new Own().readableStates()),
  "Layer.endsInSpikes": row(() => new Own().endsInSpikes()),
  "Layer.readsState": row(() => new Own().readsState()),

  "Model.build": row(Model.build, { body: argument(() => linear(4, 3), "function"), options: options({ device: aDevice, inputShape: shape, steps: count, random, precision: choice("float32"), packSpikes: flag, recompute: flag }, "device", "inputShape", "steps", "random") }),
  "Model.forward": row((...given: [never, never]) => model.forward(...given), { tape: argument(() => pass.tape), input: argument(() => pass.input) }),
  "Model.parameters": row(() => model.parameters()),
  "Model.buffers": row(() => model.buffers()),
  "Model.summary": row(() => model.summary()),
  "Model.memory": row((given: never) => model.memory(given), { options: memory }),
  "Model.largestBatch": row((...given: [never, never]) => model.largestBatch(...given), { bytes: natural, options: options({ optimizer, timeConstant: flag, timeChunks: count }) }),
  "Model.stream": row((given: never) => model.stream(given).dispose(), { options: options({ batch: count, recorder: argument(() => new Recorder()) }) }),
  "Stream.step": row((given: never) => model.stream().step(given), { input: argument(() => new Float32Array(4)) }),
  "Stream.reset": row(() => model.stream().reset()),
  "Stream.dispose": row(() => model.stream().dispose()),
  "Model.dispose": row(() => makeModel().dispose()),

  Tape: row((...given: [never, never]) => new Tape(...given), {
    device: aDevice,
    options: options({ steps: count, training: flag, random, recorder: argument(() => new Recorder()), carry: nothing, building: callback, planning: callback }, "steps", "training"),
  }),
  "Tape.input": row((...given: [never, never]) => pass.tape.input(...given), { value: aTensor, options: options({ timeConstant: flag, requiresGradient: flag }) }),
  "Tape.add": row((...given: [never, never]) => pass.tape.add(...given), { a: argument(() => pass.input), b: argument(() => pass.input) }),
  "Tape.record": row((given: never) => pass.tape.record(given), {
    operation: options({
      inputs: argument(() => [pass.input]), outputs: argument(() => [{ value: tensor(1, 4), shape: [4], time: "none" }], "list"), saved: argument(() => [], "list"), learns: argument(() => [], "true", "list"),
      constantGradient: flag, passesGradient: flag, always: flag, backward: callback,
    }, "inputs", "outputs", "backward"),
  }),
  "Tape.feed": row((...given: [never, never]) => new Tape(device, { steps: STEPS, training: true, random: new Random(0) }).feed(...given), { make: argument(() => () => new Float32Array(4)), shape: argument(() => [4], "list", "list of numbers") }),
  "Tape.constant": row((...given: [never, never]) => pass.tape.constant(...given), { data: argument(() => new Float32Array(4)), shape: argument(() => [4], "list", "list of numbers") }),
  "Tape.within": row((...given: [never, never]) => pass.tape.within(...given), { layer: optional(text), work: callback }),
  "Tape.drawingAgain": row(() => pass.tape.drawingAgain()),
  "Tape.backward": row((...[output, ...given]: [Variable, never, never]) => {
    const fresh = makePass();
    return fresh.tape.backward(output === pass.output ? fresh.output : output, ...given);
  }, { output: argument(() => pass.output), seed: argument(() => tensor(1, 3)), wanted: optional(argument(() => [], "list")) }),
  "Tape.dispose": row(() => makePass().tape.dispose()),

  Variable: row((...given: [never, never]) => new Variable(...given), {
    tape: argument(() => pass.tape),
    options: options({ shape, time: choice("varying"), batch: count, requiresGradient: flag, value: aTensor, isSpikes: flag }, "shape", "time", "batch", "requiresGradient"),
  }),
  "Variable.plain": row(() => pass.input.plain()),
  "Variable.release": row(() => new Tape(device, { steps: STEPS, training: false }).input(tensor(STEPS, 1, 4)).release()),

  Recorder: row((given: never) => new Recorder(given), { options: options({ spikes: flag, membrane: text, firing: flag, perNeuron: flag, operations: flag }) }),
  "Recorder.wants": row((given: never) => new Recorder().wants(given), { neuron: argument(() => lif(), "neuron") }),
  "Recorder.add": row((...given: [never, never, never]) => new Recorder().add(...given), {
    layer: text, neuron: argument(() => lif(), "neuron"), recorded: options({ spikes: aTensor, membrane: aTensor, potential: aTensor, threshold: aTensor }, "spikes"),
  }),
  "Recorder.addInput": row((...given: [never, never, never]) => new Recorder().addInput(...given), { layer: text, macs: count, x: aTensor }),
  "Recorder.synapticOperations": row(() => new Recorder().synapticOperations()),
  "Recorder.neuronRates": row(() => new Recorder().neuronRates()),
  "Recorder.firingRates": row(() => new Recorder().firingRates()),
  "Recorder.records": row(() => new Recorder().records()),
  "Recorder.dispose": row(() => new Recorder().dispose()),
};

export const neuron = argument(() => lif(), "neuron");
