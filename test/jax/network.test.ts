import { expect, it } from "vitest";
import { toJax } from "../../src/jax/index.ts";
import { jit, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import { BatchLoader, Random } from "../../src/data/index.ts";
import { defineNeuron, lif, type Neuron, parametricLif, spike, surrogate } from "../../src/neuron/index.ts";
import { quadrants } from "../train/digits.ts";
import { sample } from "../sample.ts";

const [steps, batch, pixels, hidden, classes] = [6, 32, 16, 24, 4];
const sur = surrogate.atan();

type Params = { w1: np.Array; b1: np.Array; w2: np.Array; b2: np.Array; neuron: Record<string, np.Array> };

/** linear, neurons, linear, neurons: mean cross-entropy of the spike counts against one-hot labels. */
function lossOf(neuron: Neuron): (params: Params, x: np.Array, y: np.Array) => np.Array {
  const fire = toJax(neuron);
  return ({ w1, b1, w2, b2, neuron: learnt }, x, y) => {
    const current = np.broadcastTo(np.matmul(x, w1).add(b1), [steps, batch, hidden]);
    const spikes = fire(current, tree.ref(learnt)).reshape([steps * batch, hidden]);
    const counts = np.sum(fire(np.matmul(spikes, w2).add(b2).reshape([steps, batch, classes]), learnt), 0);
    return np.sum(nn.logSoftmax(counts).mul(y)).mul(-1 / batch);
  };
}

function initial(neuron: Neuron): Params {
  const random = new Random(4);
  const uniform = (name: string, shape: number[], bound: number): np.Array => {
    const data = new Float32Array(shape.reduce((a, b) => a * b));
    random.fork(name).uniformInto(data, -bound, bound);
    return np.array(data).reshape(shape);
  };
  return {
    w1: uniform("w1", [pixels, hidden], 0.5), b1: np.zeros([hidden]), w2: uniform("w2", [hidden, classes], 0.5), b2: np.zeros([classes]),
    neuron: Object.fromEntries(neuron.learnable.map((name) => [name, np.array(neuron.params[name])])),
  };
}

const adaptive = defineNeuron({
  name: "adaptive", state: { v: 0, a: 0 }, params: { decay: 0.5, threshold: 1 }, learnable: ["decay", "threshold"],
  step({ v, a }, { x }, { decay, threshold }) {
    const h = v.mul(decay).add(x);
    const s = spike(h.sub(threshold).sub(a), sur);
    return { spike: s, v: h.sub(s.mul(threshold)), a: a.mul(0.8).add(s.mul(0.1)) };
  },
});

it.each(sample([lif({ decayInput: false, detachReset: true, surrogate: sur }), parametricLif({ decayInput: false, surrogate: sur }), adaptive].map((neuron) => [neuron.name, neuron] as const), 1))(
  "a network of %s written in jax-js learns: a third of the loss is left after 80 updates", async (_, neuron) => {
    const loss = lossOf(neuron);
    const update = jit((params: Params, x: np.Array, y: np.Array) => {
      const [value, gradient] = valueAndGrad(loss)(tree.ref(params), x, y);
      return { value, params: tree.map((p: np.Array, g: np.Array) => p.sub(g.mul(0.1)), params, gradient as Params) };
    });
    const start = initial(neuron);
    const before = await Promise.all(neuron.learnable.map(async (name) => (await start.neuron[name].ref.data())[0]));

    const loader = new BatchLoader(quadrants(512, 1), { batchSize: batch, shuffle: true, random: new Random(1) });
    const losses: number[] = [];
    let params = start;
    for (let i = 0; i < 80; i++) {
      const { inputs, labels } = loader.next();
      const oneHot = Float32Array.from({ length: batch * classes }, (_value, j) => Number(labels[Math.floor(j / classes)] === j % classes));
      const next = update(params, np.array(inputs.slice()).reshape([batch, pixels]), np.array(oneHot).reshape([batch, classes]));
      params = next.params as Params;
      losses.push((await next.value.data())[0]);
    }
    const mean = (values: number[]): number => values.reduce((a, b) => a + b) / values.length;
    expect(mean(losses.slice(-8))).toBeLessThan(mean(losses.slice(0, 8)) / 3);
    for (const [i, name] of neuron.learnable.entries()) expect((await params.neuron[name].ref.data())[0]).not.toBe(before[i]);
    tree.dispose(params);
  },
);
