import { fusedJax, type FusedJax, toJax } from "../../src/jax/index.ts";
import { jit, nn, numpy as np, tree, valueAndGrad, vjp } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import { BatchLoader, Random } from "../../src/data/index.ts";
import { lif, parametricLif, surrogate } from "../../src/neuron/index.ts";
import { quadrants } from "../train/digits.ts";
import { expectClose, jaxDevices, read } from "./devices.ts";

const [steps, batch, pixels, hidden, classes] = [6, 32, 16, 24, 4];

type Params = Record<"w1" | "b1" | "w" | "w2" | "b2", np.Array>;

/** [B, P] → [T, B, H]: the same current at all steps. */
const currents = (w1: np.Array, b1: np.Array, x: np.Array): np.Array => np.broadcastTo(np.matmul(x, w1).add(b1), [steps, batch, hidden]);

/** Mean cross-entropy of softmax(the mean over time) against one-hot labels. */
const readOut = (w2: np.Array, b2: np.Array, spikes: np.Array, y: np.Array): np.Array =>
  np.sum(nn.logSoftmax(np.mean(np.matmul(spikes, w2).add(b2), 0)).mul(y)).mul(-1 / batch);

/** Loss, gradients and spikes by jax-js's vjp of the dense parts and the fused kernels between them. Consumes its arguments. */
function fusedGradients(fire: FusedJax, { w1, b1, w, w2, b2 }: Params, x: np.Array, y: np.Array): { loss: np.Array; spikes: np.Array; gradients: Params } {
  const [current, pullCurrent] = vjp(currents, [w1, b1, x]);
  const [spikes, pullSpikes] = fire.vjp(current, { w });
  const [loss, pullLoss] = vjp(readOut, [w2, b2, spikes.ref, y]);

  const [dw2, db2, dSpikes, dy] = pullLoss(np.ones([], { device: x.device })) as np.Array[];
  const { x: dCurrent, params } = pullSpikes(dSpikes);
  const [dw1, db1, dx] = pullCurrent(dCurrent) as np.Array[];
  for (const each of [pullLoss, pullSpikes, pullCurrent, dx, dy]) each.dispose();
  return { loss, spikes, gradients: { w1: dw1, b1: db1, w: params.w, w2: dw2, b2: db2 } };
}

const neuron = parametricLif({ decayInput: false, surrogate: surrogate.atan() });
const lifted = toJax(neuron);
const unrolledLoss = ({ w1, b1, w, w2, b2 }: Params, x: np.Array, y: np.Array): np.Array => readOut(w2, b2, lifted(currents(w1, b1, x), { w }), y);

describe.each(jaxDevices)("a network of jax-js functions around fused neurons", ({ device, present, titled }) => {
  const uniform = (name: string, shape: number[], bound: number): np.Array => {
    const data = new Float32Array(shape.reduce((a, b) => a * b));
    new Random(4).fork(name).uniformInto(data, -bound, bound);
    return np.array(data, { shape, device });
  };
  const initial = (): Params => ({
    w1: uniform("w1", [pixels, hidden], 0.5), b1: np.zeros([hidden], { device }), w: uniform("w", [hidden], 0.5),
    w2: uniform("w2", [hidden, classes], 0.5), b2: np.zeros([classes], { device }),
  });
  const loader = new BatchLoader(quadrants(512, 1), { batchSize: batch, shuffle: true, random: new Random(1) });
  const nextBatch = (): { x: np.Array; y: np.Array } => {
    const { inputs, labels } = loader.next();
    const oneHot = Float32Array.from({ length: batch * classes }, (_, j) => Number(labels[Math.floor(j / classes)] === j % classes));
    return { x: np.array(inputs.slice(), { shape: [batch, pixels], device }), y: np.array(oneHot, { shape: [batch, classes], device }) };
  };

  it.skipIf(!present)(titled("has the spikes and gradients of the unrolled lift"), async () => {
    const fire = await fusedJax(neuron, { device });
    const params = initial();
    const { x, y } = nextBatch();
    const spikes = await read(lifted(currents(params.w1.ref, params.b1.ref, x.ref), { w: params.w.ref }));
    const [loss, gradients] = valueAndGrad(unrolledLoss)(tree.ref(params), x.ref, y.ref) as [np.Array, Params];
    const fused = fusedGradients(fire, params, x, y);
    expect(await read(fused.spikes)).toEqual(spikes);
    expect(spikes.some((s) => s === 1) && spikes.some((s) => s === 0)).toBe(true);
    expectClose(await read(fused.loss), await read(loss), 1e-5);
    for (const name of Object.keys(gradients) as (keyof Params)[]) {
      expect(fused.gradients[name].shape).toEqual(gradients[name].shape);
      expectClose(await read(fused.gradients[name]), await read(gradients[name]));
    }
    expect(fire.device.bytesInUse).toBe(0);
    expect([x, y, ...Object.values(params)].map((each) => each.refCount)).toEqual(Array(7).fill(0));
  });

  it.skipIf(!present)(titled("learns: half of the loss is left after 40 updates"), async () => {
    const fire = await fusedJax(neuron, { device });
    const descend = jit((params: Params, gradients: Params): Params => tree.map((p: np.Array, g: np.Array) => p.sub(g.mul(0.5)), params, gradients));
    let params = initial();
    const before = await read(params.w.ref);
    const losses: number[] = [];
    for (let i = 0; i < 40; i++) {
      const { x, y } = nextBatch();
      const { loss, spikes, gradients } = fusedGradients(fire, tree.ref(params), x, y);
      spikes.dispose();
      params = descend(params, gradients) as Params;
      losses.push((await read(loss))[0]);
    }
    const mean = (values: number[]): number => values.reduce((a, b) => a + b) / values.length;
    expect(mean(losses.slice(-8))).toBeLessThan(mean(losses.slice(0, 4)) / 2);
    expect(await read(params.w.ref)).not.toEqual(before);
    tree.dispose(params);
    expect(fire.device.bytesInUse).toBe(0);
  });
});

it("a layer without parameters needs none", async () => {
  const fire = await fusedJax(lif());
  const [spikes, pullback] = fire.vjp(np.full([3, 2], 4));
  const { x, params, state } = pullback(spikes);
  pullback.dispose();
  expect([params, state]).toEqual([{}, {}]);
  expect(x.shape).toEqual([3, 2]);
  x.dispose();
});
