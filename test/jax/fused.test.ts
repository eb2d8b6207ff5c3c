import { fusedJax, type FusedJax, toJax, type Values } from "../../src/jax/index.ts";
import { defaultDevice, getWebGPUDevice, grad, jit, numpy as np, vmap } from "@jax-js/jax";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { DeviceError, NeuronError, OptionError, ShapeError } from "../../src/errors.ts";
import { gradient, openDevice, simulate } from "../../src/device/index.ts";
import { defineNeuron, leaky, lif, type Neuron, parametricLif, spike, surrogate, synaptic } from "../../src/neuron/index.ts";
import { noise } from "../conformance/suite.ts";
import { expectClose, jaxDevices, read } from "./devices.ts";

const [rows, channels] = [3, 5];
const size = rows * channels;
const random = noise(11);
const values = (length: number, mean = 0): Float32Array<ArrayBuffer> => Float32Array.from({ length }, () => mean + random());

describe.each(jaxDevices)("fusedJax", ({ device, present, titled }) => {
  const array = (data: Float32Array<ArrayBuffer>, shape: number[]): np.Array => np.array(data, { shape, device });
  const opened: FusedJax[] = [];
  const open: typeof fusedJax = async (neuron, options) => {
    const layer = await fusedJax(neuron, { device, ...options });
    opened.push(layer);
    return layer;
  };
  afterEach(() => {
    for (const layer of opened.splice(0)) expect(layer.device.bytesInUse).toBe(0);
  });

  describe.skipIf(!present)(titled("agrees with simulate and gradient"), () => {
    it.each([
      ["lif", lif({ surrogate: surrogate.atan() }), 12, {}],
      ["parametricLif, w per channel", parametricLif(), 12, { w: values(channels, -0.5) }],
      ["leaky, beta scalar, threshold per channel", leaky(), 9, { beta: values(1, 0.6).map(Math.abs), threshold: values(channels, 1) }],
      ["synaptic over more steps than a trajectory has", synaptic(), 70, { alpha: Float32Array.of(0.7) }],
    ])("%s", async (_, typed, steps, given) => {
      const neuron: Neuron = typed;
      const x = values(steps * size, 0.5);
      const weights = values(steps * size);
      const state = Object.fromEntries(Object.keys(neuron.state).map((name) => [name, values(size)]));
      const names = Object.keys(given) as (keyof typeof given)[];
      const params = Object.fromEntries(names.map((name) => [name, (given[name] as Float32Array).length === 1 ? given[name][0] : given[name]]));
      const run = { steps, params, state };
      const expected = await simulate(neuron, x, { ...run, record: Object.keys(state) });
      const share = await gradient(neuron, x, weights, run);

      const layer = await open(neuron);
      const xs = array(x, [steps, rows, channels]);
      const arrays: Values = Object.fromEntries(names.map((name) => [name, (given[name] as Float32Array).length === 1 ? np.array(given[name][0], { device }) : array(given[name], [channels])]));
      const start: Values = Object.fromEntries(Object.entries(state).map(([name, data]) => [name, array(data, [rows, channels])]));
      const refs = (group: Values): Values => Object.fromEntries(Object.entries(group).map(([name, value]) => [name, (value as np.Array).ref]));

      expect(await read(layer(xs.ref, refs(arrays), refs(start)))).toEqual(expected.spikes);

      const all = layer.run(xs.ref, { params: refs(arrays), state: refs(start), record: Object.keys(state) });
      expect(all.output.shape).toEqual([steps, rows, channels]);
      expect(await read(all.output)).toEqual(expected.spikes);
      for (const name of Object.keys(state)) {
        expect(all.state[name].shape).toEqual([rows, channels]);
        expectClose(await read(all.state[name]), expected.state[name], 1e-5);
        expectClose(await read(all.traces[name]), expected.traces[name], 1e-5);
      }

      const [spikes, pullback] = layer.vjp(xs, arrays, start);
      expect(await read(spikes)).toEqual(expected.spikes);
      const found = pullback(array(weights, [steps, rows, channels]));
      pullback.dispose();
      expect(found.x.shape).toEqual([steps, rows, channels]);
      expectClose(await read(found.x), share.input);
      expect(Object.keys(found.params)).toEqual(names);
      for (const name of names) {
        const one = typeof share.params[name] === "number";
        expect(found.params[name].shape).toEqual(one ? [] : [channels]);
        expectClose(await read(found.params[name]), one ? [share.params[name] as number] : share.params[name] as Float32Array);
      }
      for (const name of Object.keys(state)) {
        expect(found.state[name].shape).toEqual([rows, channels]);
        expectClose(await read(found.state[name]), share.state[name]);
      }
      expect([xs, ...Object.values(arrays), ...Object.values(start)].map((each) => (each as np.Array).refCount)).toEqual([1, ...names, ...Object.keys(start)].map(() => 0));
    });
  });

  describe.skipIf(!present)(titled("with a state as its output"), () => {
    it("agrees with toJax and grad", async () => {
      const neuron = leaky();
      const layer = await open(neuron, { output: "v" });
      const [x, weights] = [values(8 * size, 0.5), values(8 * size)];
      const shape = [8, size];
      const [traces, pullback] = layer.vjp(array(x, shape), { beta: np.array(0.8, { device }) });
      const shares = pullback(array(weights, shape));
      pullback.dispose();

      const lifted = toJax(neuron, { output: "v" });
      const loss = (xs: np.Array, beta: np.Array): np.Array => np.sum(lifted(xs, { beta }).mul(array(weights, shape)));
      const expected = grad(loss, { argnums: [0, 1] })(array(x, shape), np.array(0.8, { device })) as np.Array[];
      expectClose(await read(traces), await read(lifted(array(x, shape), { beta: np.array(0.8, { device }) })), 1e-5);
      expectClose(await read(shares.x), await read(expected[0]));
      expectClose(await read(shares.params.beta), await read(expected[1]));
      const { output, traces: { v } } = layer.run(array(x, shape), { record: ["v"], params: { beta: 0.8 } });
      expect(await read(output)).toEqual(await read(v));
    });
  });

  describe.skipIf(!present)(titled("counts references"), () => {
    const steps = 70;
    let layer: FusedJax;
    beforeAll(async () => void (layer = await fusedJax(lif(), { device })));
    const input = (): np.Array => array(values(steps * size), [steps, size]);

    it("keeps what a pullback needs until it is disposed", async () => {
      const x = input();
      const [spikes, pullback] = layer.vjp(x.ref);
      expect(layer.device.bytesInUse).toBeGreaterThan(0);
      const first = await read(pullback(spikes.ref).x);
      expect(await read(pullback(spikes).x)).toEqual(first);
      expect(spikes.refCount).toBe(0);
      pullback.dispose();
      expect(layer.device.bytesInUse).toBe(0);
      expect(x.refCount).toBe(1);
      expect(() => pullback(x)).toThrow(DeviceError);
      expect(x.refCount).toBe(1);
      x.dispose();
    });

    it.skipIf(device !== "webgpu")("lets a loop use the same buffers again", () => {
      const gpu = getWebGPUDevice();
      const make = vi.spyOn(gpu, "createBuffer");
      const made = (): number => make.mock.calls.filter(([{ usage }]) => (usage & GPUBufferUsage.STORAGE) !== 0).length;
      const x = np.full([71, 17], 0.8, { device });
      const repeat = (times: number): number => {
        const before = made();
        for (let i = 0; i < times; i++) {
          const [spikes, pullback] = layer.vjp(x.ref, {}, { v: 0.1 });
          const { x: dx } = pullback(spikes);
          pullback.dispose();
          dx.dispose();
        }
        return made() - before;
      };
      try {
        expect(repeat(2)).toBeGreaterThan(0);
        expect(repeat(20)).toBe(0);
      } finally {
        make.mockRestore();
        x.dispose();
      }
    });

    it("changes none where it refuses", async () => {
      const plif = await open(parametricLif());
      const x = input();
      const w = np.array(Float32Array.of(1, 2, 3), { device });
      const v = array(values(size), [size]);
      const scalar = np.array(0.5, { device });
      const integers = np.array(new Int32Array(size), { device, shape: [1, size] });
      const [spikes, pullback] = plif.vjp(x.ref);
      const refusals: [() => unknown, new (message: string) => Error, RegExp][] = [
        [() => plif(x, { w }), ShapeError, /one value per channel, \[15\] .*got \[3\]/],
        [() => plif(x, { tau: 2 }), OptionError, /no parameter tau; it has w/],
        [() => plif(x, { w: Number.NaN }), OptionError, /w is NaN/],
        [() => plif(x, {}, { v: w }), ShapeError, /state v must have the shape \[15\], got \[3\]/],
        [() => plif(x, {}, { u: v }), OptionError, /no state u; it has v/],
        [() => plif.run(x, { record: ["u"] }), OptionError, /no state u to record/],
        [() => plif(scalar), ShapeError, /\[T, \.\.\.\]/],
        [() => plif(integers), ShapeError, /float32, got int32/],
        [() => plif(new Float32Array(3) as never), OptionError, /got a Float32Array of 3/],
        [() => pullback(v), ShapeError, /must have the shape \[70,15\], got \[15\]/],
      ];
      for (const [call, kind, message] of refusals) {
        expect(call).toThrow(kind);
        expect(call).toThrow(message);
      }
      pullback.dispose();
      expect([x, w, v, scalar, integers].map((each) => each.refCount)).toEqual([1, 1, 1, 1, 1]);
      for (const each of [x, w, v, scalar, integers, spikes]) each.dispose();
    });

    it("frees what it made when the device fails", async () => {
      const x = input();
      const failure = new Error("no memory");
      const { device: target } = layer;
      const empty = target.empty.bind(target);
      let left = 0;
      target.empty = (...args: Parameters<typeof empty>) => {
        if (left-- === 0) throw failure;
        return empty(...args);
      };
      try {
        for (let i = 0; i < 2; i++) for (const call of [() => layer.run(x, { record: ["v"] }), () => layer.vjp(x)]) {
          left = i;
          expect(call).toThrow(failure);
          expect(target.bytesInUse).toBe(0);
          expect(x.refCount).toBe(1);
        }
      } finally {
        Reflect.deleteProperty(target, "empty");
      }
      x.dispose();
    });

    it("refuses traced arguments, and says what to do", () => {
      for (const transform of [jit((x: np.Array) => layer(x)), grad((x: np.Array) => np.sum(layer(x))), vmap((x: np.Array) => layer(x))]) {
        expect(() => transform(np.zeros([2, 3, 4], { device }))).toThrow(/x is traced.*its own \.vjp.*toJax\(neuron\) can be traced/);
      }
    });
  });
});

describe("fusedJax opens", () => {
  it("on jax-js's default device", async () => {
    expect((await fusedJax(lif())).device.name).toBe("cpu");
    defaultDevice("cpu");
    try {
      await expect(fusedJax(lif())).rejects.toThrow(/not of "cpu"/);
    } finally {
      defaultDevice("wasm");
    }
  });

  it("on a device of spikefold", async () => {
    const device = await openDevice("cpu", { threads: 1 });
    const layer = await fusedJax(lif(), { device });
    expect(layer.device).toBe(device);
    expect(await read(layer(np.full([4, 2], 3)))).toEqual(new Float32Array(8).fill(1));
    await device.dispose();
  });

  it("only neurons with one input, for what they have", async () => {
    const two = defineNeuron({ name: "two", state: {}, inputs: ["x", "y"], step: (_, { x, y }) => ({ spike: spike(x.add(y).sub(1), surrogate.atan()) }) });
    await expect(fusedJax(two)).rejects.toThrow(NeuronError);
    await expect(fusedJax(lif(), { output: "u" })).rejects.toThrow(/no output or state u; it has/);
  });

  it("refuses arrays of another device", async () => {
    const layer = await fusedJax(lif(), { device: "wasm" });
    expect(() => layer(np.zeros([2, 2], { device: "cpu" }))).toThrow(/lies on jax-js's "cpu".*devicePut\(array, "wasm"\)/);
  });
});
