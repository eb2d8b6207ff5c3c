import { afterAll, describe, expect, it } from "vitest";
import { Random } from "../../src/data/index.ts";
import { openDevice, simulate } from "../../src/device/index.ts";
import { DeviceError, OptionError, SpikefoldError } from "../../src/errors.ts";
import { lif } from "../../src/neuron/index.ts";
import {
  type BuildContext, batchNorm2d, conv2d, dropout, flatten, lastMembrane, Layer, linear, maxPool2d, Model, rate, Recorder, residual, sequential, type Shape, spiking, Tape, type Variable,
} from "../../src/nn/index.ts";
import { device, makeModel, makePass, model, STEPS, tensor } from "./kit.ts";

afterAll(() => device.dispose());

/** Called as from JavaScript. */
const loose = <T>(x: T): any => x;
const options = { device, inputShape: [4], steps: STEPS, random: new Random(1) };
const build = (body: unknown, more: object = {}) => () => Model.build(loose(body), { ...options, ...more });

const slips: [string, () => unknown, string | RegExp][] = [
  ["a neuron for a layer", () => sequential(linear(4, 4), loose(lif())), "sequential: layer 1 is the neuron lif: wrap it in a layer, spiking(lif())"],
  ["a neuron in a residual block", () => residual(linear(4, 4), loose(lif())), "residual: layer 1 is the neuron lif: wrap it in a layer, spiking(lif())"],
  ["a neuron for a model", build(lif()), "Model.build: the body is the neuron lif: wrap it"],
  ["a list of layers", () => sequential(loose([linear(4, 4), rate()])), "sequential: layer 0 is a list: give its layers one by one, sequential(...layers)"],
  ["a layer that was forgotten", () => sequential(linear(4, 4), loose(undefined)), "sequential: layer 1 is undefined: expected a layer"],
  ["a layer function that was not called", () => build(sequential(linear(4, 4), loose(rate)))(), "rate takes no arguments, got a Tape"],
  ["no random", build(linear(4, 4), { random: undefined }), "Model.build needs the option random: a Random: new Random(seed)"],
  ["a seed for a Random", build(linear(4, 4), { random: 1 }), "Model.build: random is 1: expected a Random: new Random(seed)"],
  ["no device", build(linear(4, 4), { device: undefined }), 'Model.build needs the option device: a device: await openDevice("cpu")'],
  ["a device's name", build(linear(4, 4), { device: "cpu" }), 'Model.build: device is "cpu": expected a device: await openDevice("cpu")'],
  ["a device that was not awaited", build(linear(4, 4), { device: Promise.resolve(device) }), 'Model.build: device is a Promise: expected a device: await openDevice("cpu")'],
  ["a number for a shape", build(linear(4, 4), { inputShape: 4 }), "Model.build: inputShape is 4: expected a list of integers ≥ 1"],
  ["an option misspelt", build(linear(4, 4), { shape: [4] }), "Model.build has no option shape"],
  ["a neuron's name", () => spiking(loose("lif")), 'spiking: neuron is "lif": expected a neuron: call the function that makes one, lif() for example, or defineNeuron'],
  ["a neuron function that was not called", () => spiking(loose(lif)), "spiking: neuron is a function lif: expected a neuron: call the function"],
  ["a parameter that is near another", () => spiking(lif(), { learn: loose(["threshhold"]) }), /threshhold is not among the neuron's parameters/],
  ["a kernel that is no option", () => conv2d(1, 8, loose(3)), "conv2d takes its kernel as an option: conv2d(1, 8, { kernel: 3 })"],
  ["a kernel that is no option, of two lengths", () => conv2d(1, 8, loose([3, 5])), "conv2d(1, 8, { kernel: [3, 5] })"],
  ["PyTorch's name of the kernel", () => conv2d(1, 8, loose({ kernel_size: 3 })), "conv2d has no option kernel_size"],
  ["no kernel", () => conv2d(1, 8, loose({})), "conv2d needs the option kernel: an integer ≥ 1, or a list [height, width] of two"],
  ["a size that is a text", () => maxPool2d(loose("2")), 'maxPool2d: size is "2": expected an integer ≥ 1'],
  ["PyTorch's second argument", () => maxPool2d(2, loose(2)), "maxPool2d takes an object of options { stride, padding }, got 2"],
  ["a number that is a text", () => linear(loose("784"), 10), 'linear: inputs is "784": expected an integer ≥ 1'],
  ["PyTorch's third argument", () => linear(784, 10, loose(true)), "linear takes an object of options { bias, init }, got true"],
  ["a bias that is no flag", () => linear(784, 10, { bias: loose(0) }), "linear: bias is 0: expected true or false"],
  ["an empty residual block", () => residual(), "residual(...body) needs at least one layer"],
  ["a residual block's option", () => residual(linear(4, 4), loose({ shortcuts: linear(4, 4) })), "residual has no option shortcuts: did you mean shortcut?"],
  ["PyTorch's epsilon", () => batchNorm2d(8, loose({ epsilon: 1e-5 })), "batchNorm2d has no option epsilon"],
  ["an eps that vanishes in f32", () => batchNorm2d(8, { eps: 1e-46 }), "batchNorm2d: eps is 1e-46: expected a finite number > 0 (of 32 bits)"],
  ["a share that is a text", () => dropout(loose("0.5")), 'dropout: p is "0.5": expected a number in [0, 1)'],
  ["an axis to flatten from", () => loose(flatten)(1), "flatten takes no arguments, got 1"],
  ["a read-out with an argument", () => loose(rate)("x"), 'rate takes no arguments, got "x"'],
  ["a state that is no text", () => lastMembrane(loose(5)), "lastMembrane: state is 5: expected a text"],
  ["a tape without a device", () => new Tape(loose({ steps: 2, training: true }), loose(undefined)), "Tape: device is an object { steps, training }: expected a device"],
  ["a recorder of a state", () => new Recorder(loose("v")), 'Recorder takes an object of options { spikes, membrane, firing, perNeuron, operations }, got "v"'],
  ["one variable to add", () => { const { tape, input } = makePass(); tape.add(input, loose(undefined)); }, "add: b is undefined: expected a variable"],
  ["a variable of another tape", () => makePass().tape.add(makePass().input, makePass().input), "add: a is a variable of another tape"],
  ["no tape", () => loose(model).forward(makePass().input), "model.forward: tape is a Variable: expected a tape: new Tape(device, { steps, training })"],
  ["a tensor for a variable", () => loose(model).forward(makePass().tape, tensor(STEPS, 1, 4)), "model.forward: input is a StoredTensor: expected a variable: tape.input"],
  ["a plain list for a tensor", () => device.tensor(loose([1, 2, 3]), [3]), "a tensor's data is [1, 2, 3]: expected a Float32Array"],
  ["no shape", () => loose(device).tensor(new Float32Array(3)), "undefined is no shape: expected a list of integers ≥ 0"],
  ["a number for a tensor's shape", () => device.empty(loose(4)), "4 is no shape: expected a list of integers ≥ 0, [4] or [2, 3]"],
  ["an element type of kernels", () => device.empty([4], loose("f16")), 'dtype is "f16": expected "f32" or "i32"'],
  ["what is no plan", () => device.kernel(loose({})), "cpu: kernel: plan is an object {  }: expected a plan: plan({ neuron, steps })"],
  ["a name that people use", () => openDevice("gpu"), '"gpu" is no device: did you mean webgpu or cuda?'],
  ["another case", () => openDevice("CPU"), '"CPU" is no device: did you mean cpu?'],
  ["a number that is none", () => openDevice("cuda:x"), '"cuda:x" is no device: did you mean cuda:0?'],
  ["another interface", () => openDevice("webgl"), '"webgl" is no device: did you mean webgpu?'],
  ["a slip of the finger", () => simulate(lif(), new Float32Array(4), { steps: 2, device: "cpuu" }), '"cpuu" is no device: did you mean cpu?'],
  ["an option misspelt", () => openDevice("cpu", loose({ thread: 1 })), "openDevice has no option thread: did you mean threads?"],
  ["an option of another device", () => openDevice("cpu", { fmad: true }), 'openDevice: fmad is an option of the device "cuda", and "cpu" was asked for; leave it out'],
  ["an option of another device", () => openDevice("webgpu", { threads: 1 }), 'openDevice: threads is an option of the device "cpu"'],
];

describe("the likeliest slips", () => {
  it.each(slips)("%s", async (_, call, message) => {
    const before = device.bytesInUse;
    const slip = async (): Promise<unknown> => call();
    await expect(slip()).rejects.toThrow(SpikefoldError);
    await expect(slip()).rejects.toThrow(message);
    expect(Number.isFinite(device.bytesInUse) && device.bytesInUse >= before).toBe(true);
  });
});

describe("tensors", () => {
  it("that are disposed, or lie on another device, are refused by tapes and models", async () => {
    const other = await openDevice("cpu", { threads: 1 });
    const tape = new Tape(device, { steps: STEPS, training: false });
    expect(() => tape.input(other.zeros([STEPS, 1, 4]))).toThrow(/tape.input: the tensor \[2,1,4\] lies on another device/);
    const elsewhere = new Tape(other, { steps: STEPS, training: false });
    expect(() => model.forward(elsewhere, elsewhere.input(other.zeros([STEPS, 1, 4])))).toThrow(DeviceError);
    const gone = tensor(STEPS, 1, 4);
    gone.dispose();
    expect(() => makeModel().forward(tape, tape.input(gone))).toThrow(/disposed/);
    await other.dispose();
  });
});

describe("openDevice", () => {
  it("opens the cpu unless told otherwise, and its description says so", async () => {
    for (const open of [() => openDevice(), () => openDevice("auto"), () => openDevice(undefined, { threads: 1 })]) {
      const opened = await open();
      expect(opened.name).toBe("cpu");
      expect(opened.description).toMatch(/^WebAssembly .*thread.* \(chosen by auto\)$/);
      await opened.dispose();
    }
    const named = await openDevice("cpu", { threads: 1 });
    expect(named.description).not.toContain("auto");
    await named.dispose();
  });
});

it("an option that asks for nothing is no option of another device", async () => {
  await expect(openDevice("cpu", { fmad: false, profile: undefined, threads: 1 }).then((opened) => opened.dispose())).resolves.toBeUndefined();
});

describe("a layer of one's own", () => {
  class Own extends Layer {
    readonly kind: string = "own";
    protected override setUp(shape: Shape, _context: BuildContext): Shape { return shape; }
    protected override run(_tape: Tape, x: Variable): Variable { return x; }
  }
  const own = (changes: Record<string, unknown>): Layer => Object.assign(new Own(), changes);
  const run = (body: unknown) => () => {
    const built = build(body)();
    const tape = new Tape(device, { steps: STEPS, training: true });
    built.forward(tape, tape.input(tensor(STEPS, 1, 4)));
  };

  it("runs when it is whole", () => {
    expect(run(sequential(new Own(), rate()))).not.toThrow();
  });

  it.each([
    ["no setUp", { setUp: undefined }, "0: own: setUp is undefined: expected a function"],
    ["no run", { run: undefined }, "0: own: run is undefined: expected a function"],
    ["no kind", { kind: undefined }, "Own: kind is undefined: expected a text"],
    ["no shape from setUp", { setUp: () => undefined }, "0: own: the shape that setUp returns is undefined: expected a list of integers"],
    ["nothing from run", { run: () => undefined }, "0: own: what it returns is undefined: expected a variable"],
    ["a tensor from run", { run: (_: Tape, x: Variable) => x.value }, "0: own: what it returns is a StoredTensor: expected a variable"],
    ["parameters that are none", { parameters: () => [tensor(4)] }, "0: own: what parameters() returns is a list of 1: expected a list, each a parameter"],
  ])("is refused by name with %s", (_, changes, message) => {
    expect(run(sequential(own(changes), rate()))).toThrow(OptionError);
    expect(run(sequential(own(changes), rate()))).toThrow(message);
  });

  const skip = linear(4, 4);
  it.each<[string, unknown, string]>([
    ["returns nothing", function lost() {}, "0: lost: what it returns is undefined: expected a variable"],
    ["returns a tensor", (tape: Tape, x: Variable) => (tape.building ? x : x.value), "what it returns is a StoredTensor"],
    ["returns a layer", function own() { return linear(4, 4); }, "0: own: what it returns is a Linear"],
    ["swaps its arguments", (x: Variable, tape: Tape) => skip.forward(loose(tape), loose(x)), "linear(4, 4): tape is a Variable: expected a tape"],
    ["makes its layers itself", (tape: Tape, x: Variable) => linear(4, 4).forward(tape, x), "linear(4, 4) is not part of a model yet: Model.build builds the layers. A function of a tape calls layers that were made outside of it"],
  ])("as a function that %s is refused by name", (_, body, message) => {
    expect(run(sequential(loose(body), rate()))).toThrow(message);
  });
});
