import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { interpretBackward, interpretForward } from "../../src/codegen/interpreter.ts";
import type { Device } from "../../src/device/index.ts";
import { plan } from "../../src/fusion/plan.ts";
import { defineNeuron, leaky, lif, parametricLif, spike, surrogate, synaptic } from "../../src/neuron/index.ts";
import {
  batchNorm2d, type BuildContext, dropout, groupNorm, lastMembrane, Layer, layerNorm, type LayerLike, linear, meanMembrane, rate, residual, sequential, type Shape, spikeCount, spiking, stepwiseForwardBackward, tdBN,
  type Tape, type Variable,
} from "../../src/nn/index.ts";
import { Random } from "../../src/data/random.ts";
import { buildModel, openTestDevice, pass, type PassResult, read, relativeError, repeatOverTime, uniform } from "./helpers.ts";

let device: Device;
beforeAll(async () => void (device = await openTestDevice()));
afterAll(() => device.dispose());

/** Stops what is pending: the value is computed before the next layer sees it. */
const computed = (_: Tape, x: Variable): Variable => x.plain();

const firing = lif({ threshold: 0.3 });

describe("linear, lif, linear, lif, rate against plain arrays", () => {
  const [steps, batch, inputs, hidden, outputs] = [5, 3, 6, 11, 4];

  /** y = x·w + b by rows. */
  function product(x: Float32Array, w: Float32Array, bias: Float32Array | undefined, n: number, m: number): Float32Array {
    const y = new Float32Array((x.length / n) * m);
    for (let row = 0; row < x.length / n; row++) {
      for (let j = 0; j < m; j++) {
        let sum = bias ? bias[j] : 0;
        for (let i = 0; i < n; i++) sum += x[row * n + i] * w[i * m + j];
        y[row * m + j] = sum;
      }
    }
    return y;
  }
  const transpose = (a: Float32Array, rows: number): Float32Array => a.map((_, i) => a[(i % rows) * (a.length / rows) + Math.floor(i / rows)]);
  const columnSums = (a: Float32Array, columns: number): Float32Array => Float32Array.from({ length: columns }, (_, j) => a.reduce((sum, x, i) => (i % columns === j ? sum + x : sum), 0));

  it("agrees on output and on all gradients", async () => {
    using model = buildModel(sequential(linear(inputs, hidden), spiking(firing), linear(hidden, outputs), spiking(firing), rate()), device, [inputs], steps);
    const x = uniform(steps * batch * inputs, 3, -1, 3);
    const weights = await Promise.all(model.parameters().map(({ value }) => read(value)));
    const [w1, b1, w2, b2] = weights;

    const neuronPlan = plan({ neuron: firing, steps, gradients: ["x"] });
    const fire = (current: Float32Array): Float32Array => {
      const spikes = new Float32Array(current.length);
      interpretForward(neuronPlan, { steps, size: current.length / steps, buffers: { x: current, spike: spikes } });
      return spikes;
    };
    const back = (current: Float32Array, d: Float32Array): Float32Array => {
      const grad = new Float32Array(current.length);
      interpretBackward(neuronPlan, { steps, size: current.length / steps, buffers: { x: current, "d.spike": d, "grad.x": grad } });
      return grad;
    };
    const h1 = product(x, w1, b1, inputs, hidden);
    const s1 = fire(h1);
    const h2 = product(s1, w2, b2, hidden, outputs);
    const s2 = fire(h2);
    const logits = Float32Array.from({ length: batch * outputs }, (_, i) => s2.reduce((sum, s, j) => (j % (batch * outputs) === i ? sum + s : sum), 0) / steps);
    const labels = [2, 0, 1];
    const softmax = (y: Float32Array): Float32Array => y.map((value, i) => {
      const row = y.subarray(Math.floor(i / outputs) * outputs).subarray(0, outputs);
      const share = Math.exp(value) / row.reduce((sum, z) => sum + Math.exp(z), 0);
      return (share - (i % outputs === labels[Math.floor(i / outputs)] ? 1 : 0)) / batch;
    });
    const dLogits = softmax(logits);
    const dh2 = back(h2, repeatOverTime(dLogits.map((g) => g / steps), steps));
    const dh1 = back(h1, product(dh2, transpose(w2, hidden), undefined, outputs, hidden));
    const expected = [
      product(transpose(x, steps * batch), dh1, undefined, steps * batch, hidden), columnSums(dh1, hidden),
      product(transpose(s1, steps * batch), dh2, undefined, steps * batch, outputs), columnSums(dh2, outputs),
    ];

    expect(s1.some((s) => s === 1) && s1.some((s) => s === 0) && s2.some((s) => s === 1)).toBe(true);
    const result = await pass(model, { steps, shape: [inputs], batch, input: x, seedOf: softmax });
    expect(relativeError(result.output, logits)).toBeLessThan(1e-6);
    Object.values(result.parameters).forEach((gradient, i) => expect(relativeError(gradient, expected[i])).toBeLessThan(1e-5));
    expect(relativeError(result.input, product(dh1, transpose(w1, inputs), undefined, hidden, inputs))).toBeLessThan(1e-5);
  });
});

/** Its state and its parameter have the names that the kernel would have for scale and shift. */
const sameNames = defineNeuron({
  name: "sameNames", state: { x_scale: 0 }, params: { x_shift: 0.9, x_residual: 0.1 }, learnable: ["x_shift"],
  step({ x_scale: v }, { x }, { x_shift: decay, x_residual: leak }) {
    const next = v.mul(decay).add(x).sub(leak);
    const fired = spike(next.sub(0.6), surrogate.atan());
    return { x_scale: next.sub(fired), spike: fired };
  },
});

describe("what the kernel takes along equals what is computed before it", () => {
  const shape = [3, 3, 4];
  const [steps, batch] = [4, 5];
  const plif = (): Layer => spiking(parametricLif({ threshold: 0.4 }), { perChannel: ["w"] });
  const fire = (): Layer => spiking(firing);
  const norm = (): Layer => batchNorm2d(4);
  type Around = (layer: LayerLike) => LayerLike;
  const cases: [string, (alone: Around) => LayerLike[]][] = [
    ["batch norm", (alone) => [alone(norm()), plif()]],
    ["tdBN", (alone) => [alone(tdBN(4, { threshold: 0.4 })), plif()]],
    ["layer norm", (alone) => [alone(layerNorm(4)), plif()]],
    ["group norm and a residual", (alone) => [alone(residual(alone(groupNorm(2, 4)))), plif()]],
    ["batch norm, before a neuron with names of its own for the kernel's", (alone) => [alone(norm()), spiking(sameNames)]],
    ["residual", (alone) => [fire(), alone(residual(fire())), plif()]],
    ["residual of a batch norm", (alone) => [fire(), alone(residual(alone(norm()))), plif()]],
    ["residual of two batch norms", (alone) => [alone(residual(alone(norm()), { shortcut: sequential(alone(norm())) })), plif()]],
    ["residual of the input", (alone) => [alone(residual(fire())), plif()]],
    ["residuals in a row", (alone) => [alone(residual(alone(norm()))), alone(residual(fire(), alone(norm()))), alone(residual(alone(norm()))), plif()]],
  ];

  for (const timeConstant of [false, true]) {
    it.each(cases)(`%s, ${timeConstant ? "constant" : "varying"} input`, async (_, make) => {
      const run = async (alone: Around): Promise<PassResult> => {
        using model = buildModel(sequential(...make(alone), rate()), device, shape, steps);
        model.parameters().forEach(({ value }, i) => device.write(value, uniform(value.size, i, 0.5, 1.5)));
        const input = uniform((timeConstant ? 1 : steps) * batch * 36, 4, -1, 2);
        return await pass(model, { steps, shape, batch, input, timeConstant });
      };
      const fused = await run((layer) => layer);
      const separate = await run((layer) => sequential(layer, computed));
      expect(fused.output.some((y) => y > 0)).toBe(true);
      expect(fused.output).toEqual(separate.output);
      expect(relativeError(fused.input, separate.input)).toBeLessThan(1e-5);
      const expected = Object.values(separate.parameters);
      Object.values(fused.parameters).forEach((gradient, i) => expect(relativeError(gradient, expected[i])).toBeLessThan(1e-4));
    });
  }
});

/** Doubles as the reference for membranes: v ← 0.9·v + x, never reset. */
const integrator = defineNeuron({
  name: "integrator", state: { v: 0.5 }, params: { decay: 0.9 }, learnable: ["decay"],
  step: ({ v }, { x }, { decay }) => {
    const next = v.mul(decay).add(x);
    return { v: next, spike: spike(next.sub(1), surrogate.atan()) };
  },
});

describe("membrane read-outs", () => {
  it.each([["lastMembrane", lastMembrane], ["meanMembrane", meanMembrane]] as const)("%s is the integral, with its derivatives", async (kind, readout) => {
    const steps = 6;
    using model = buildModel(sequential(spiking(integrator), readout()), device, [3], steps);
    const input = uniform(steps * 2 * 3, 8);
    const { output, input: dx, parameters } = await pass(model, { steps, shape: [3], input, seedOf: (y) => y.map((_, i) => i + 1) });
    let dDecay = 0;
    for (let n = 0; n < 6; n++) {
      const value = (decay: number): number => {
        let [v, sum] = [0.5, 0];
        for (let t = 0; t < steps; t++) sum += v = v * decay + input[t * 6 + n];
        return kind === "lastMembrane" ? v : sum / steps;
      };
      expect(output[n]).toBeCloseTo(value(0.9), 5);
      dDecay += ((n + 1) * (value(0.9 + 1e-5) - value(0.9 - 1e-5))) / 2e-5;
      for (let t = 0; t < steps; t++) {
        const last = 0.9 ** (steps - 1 - t);
        const mean = Array.from({ length: steps - t }, (_, k) => 0.9 ** k).reduce((a, b) => a + b) / steps;
        expect(dx[t * 6 + n]).toBeCloseTo((n + 1) * (kind === "lastMembrane" ? last : mean), 4);
      }
    }
    expect(parameters["0.decay"][0]).toBeCloseTo(dDecay, 3);
  });

  it("must follow a spiking layer and name a state of its neurons, which shows when a model is built", () => {
    const build = (body: LayerLike) => () => buildModel(body, device, [3], 2);
    const [fire, last] = [spiking(firing), lastMembrane()];
    const misplaced: [LayerLike, RegExp][] = [
      [sequential(linear(3, 3), lastMembrane()), /1: lastMembrane\(v\).*must follow one directly/],
      [lastMembrane(), /lastMembrane\(v\).*must follow one directly/],
      [sequential(spiking(firing), rate(), meanMembrane()), /2: meanMembrane\(v\).*must follow one directly/],
      [sequential(residual(spiking(firing)), sequential(lastMembrane())), /must follow one directly/],
      [sequential(spiking(firing), dropout(0.5), lastMembrane()), /must follow one directly/],
      [(tape, x) => last.forward(tape, linear3.forward(tape, fire.forward(tape, x))), /lastMembrane\(v\).*must follow one directly/],
      [sequential(spiking(firing), lastMembrane("u")), /1: lastMembrane\(u\): the neurons before it have no state u; they have v/],
    ];
    const linear3 = linear(3, 3);
    for (const [body, message] of misplaced) expect(build(body)).toThrow(message);
  });

  it("may follow a block or a function that ends in one, or a layer of which it is not known", async () => {
    class Own extends Layer {
      readonly kind = "own";
      readonly #inner = spiking(firing);
      override layers() { return [this.#inner]; }
      protected override setUp(shape: Shape, context: BuildContext) { return this.#inner.build(shape, context); }
      protected override run(tape: Tape, x: Variable) { return this.#inner.forward(tape, x); }
    }
    const [fire, read] = [spiking(firing), lastMembrane()];
    const bodies: LayerLike[] = [
      sequential(sequential(linear(3, 3), spiking(firing)), lastMembrane()), sequential((tape, x) => fire.forward(tape, x), lastMembrane()), sequential(new Own(), read),
      sequential(spiking(firing), dropout(0), lastMembrane()), sequential(spiking(firing), sequential(lastMembrane())),
    ];
    for (const body of bodies) {
      using model = buildModel(body, device, [3], 2);
      expect((await pass(model, { steps: 2, shape: [3], input: uniform(12, 1) })).output).toHaveLength(6);
    }
  });
});

describe("step by step", () => {
  const cases: [string, number, () => LayerLike[], Layer][] = [
    ["lif, rate", 8, () => [linear(7, 9), spiking(firing), linear(9, 4), spiking(firing)], rate()],
    ["lif, spike count", 8, () => [linear(7, 9), spiking(firing), linear(9, 4), spiking(firing)], spikeCount()],
    ["parametric lif, per channel", 8, () => [linear(7, 9), spiking(parametricLif({ threshold: 0.3 }), { perChannel: ["w"] }), linear(9, 4)], rate()],
    ["learnt leaky, last membrane", 8, () => [linear(7, 9), spiking(leaky({ threshold: 0.5, learnable: ["beta", "threshold"] })), linear(9, 4), spiking(leaky())], lastMembrane()],
    ["synaptic, mean membrane", 8, () => [linear(7, 9), spiking(synaptic({ threshold: 0.5 })), linear(9, 4), spiking(synaptic())], meanMembrane()],
    ["states that start elsewhere", 8, () => [linear(7, 4), spiking(lif({ threshold: 0.3, vReset: -0.2 }))], rate()],
    ["dropout and residual", 8, () => [linear(7, 9), spiking(firing), dropout(0.3), residual(linear(9, 9), spiking(firing)), spiking(firing), linear(9, 4)], rate()],
    ["checkpoints", 70, () => [linear(7, 9), spiking(parametricLif({ threshold: 0.3 })), linear(9, 4), spiking(synaptic({ threshold: 0.5 }))], rate()],
    ["one step", 1, () => [linear(7, 9), spiking(firing), linear(9, 4)], rate()],
  ];
  const batch = 3;

  it.each(cases)("%s: same output and gradients as all T steps at once", async (_, steps, layers, readout) => {
    using model = buildModel(sequential(...layers(), readout), device, [7], steps);
    const input = uniform(batch * 7, 2, 0, 3);
    const fused = await pass(model, { steps, shape: [7], batch, input, timeConstant: true });
    const before = device.bytesInUse;
    {
      using x = device.tensor(input, [1, batch, 7]);
      let output: Promise<Float32Array>;
      stepwiseForwardBackward(model, x, (y) => {
        output = read(y);
        return device.tensor(uniform(y.size, 99), y.shape);
      }, { random: new Random(5) });
      expect(relativeError(await output!, fused.output)).toBeLessThan(1e-5);
    }
    expect(fused.output.some((y) => y !== 0)).toBe(true);
    for (const parameter of model.parameters()) {
      expect(relativeError(await read(parameter.gradient!), fused.parameters[parameter.name])).toBeLessThan(1e-4);
      parameter.gradient!.dispose();
      parameter.gradient = null;
    }
    expect(device.bytesInUse).toBe(before);
  });

  it("takes inputs that vary", async () => {
    const steps = 4;
    using model = buildModel(sequential(linear(7, 5), spiking(firing), rate()), device, [7], steps);
    const input = uniform(steps * batch * 7, 2, 0, 3);
    const fused = await pass(model, { steps, shape: [7], batch, input });
    const inputs = Array.from({ length: steps }, (_, t) => device.tensor(input.slice(t * batch * 7, (t + 1) * batch * 7), [1, batch, 7]));
    stepwiseForwardBackward(model, inputs, (y) => device.tensor(uniform(y.size, 99), y.shape));
    for (const { name, gradient } of model.parameters()) expect(relativeError(await read(gradient!), fused.parameters[name])).toBeLessThan(1e-4);
    expect(() => stepwiseForwardBackward(model, inputs.slice(1), (y) => y)).toThrow(/T = 4 steps, got 3/);
    inputs.forEach((x) => x.dispose());
  });
});
