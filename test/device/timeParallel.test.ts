import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import { CpuDevice } from "../../src/device/cpu/device.ts";
import { TimeParallel } from "../../src/device/cpu/timeParallel.ts";
import type { Launch, Tensor } from "../../src/device/device.ts";
import { bufferTypes, lengthOf } from "../../src/device/launch.ts";
import { type Plan, plan, type PlanRequest, type SpikeFormat } from "../../src/fusion/plan.ts";
import { defineNeuron, type Neuron } from "../../src/neuron/define.ts";
import { spike } from "../../src/neuron/expr.ts";
import { integrateAndFire, leaky, lif, parametricLif, surrogate, synaptic } from "../../src/neuron/index.ts";
import { peakOf } from "../nn/peak.ts";

let device: CpuDevice;
beforeAll(async () => { device = await CpuDevice.open(2, { timeParallel: false }); });
afterAll(() => device.dispose());

/** Sets all that a kernel writes to what it must not leave. */
const untouched = 0.123;

/** The buffers of both kernels, filled at random. */
function launchOf(planned: Plan, steps: number, size: number, random: Random, scale: number, channels = size): Launch {
  const buffers: Record<string, Tensor> = {};
  for (const spec of [...planned.forward.buffers, ...(planned.backward?.buffers ?? [])]) {
    const { name, direction, format } = spec;
    if (name in buffers) continue;
    const length = lengthOf(planned, spec, { steps, size, channels });
    const tensor = (buffers[name] = device.empty([length], bufferTypes[format]));
    if (bufferTypes[format] !== "f32") continue;
    const values = new Float32Array(length);
    if (direction === "out") values.fill(untouched);
    else if (name in planned.neuron.params) values.fill(planned.neuron.params[name]);
    else if (name in planned.neuron.inputs || planned.neuron.inputs.includes(name)) random.uniformInto(values, -0.4 * scale, scale);
    else random.uniformInto(values, -1, 1);
    device.write(tensor, values);
  }
  return { steps, size, channels, buffers };
}

const outputs = (planned: Plan, kernel: "forward" | "backward"): string[] => planned[kernel]!.buffers.filter(({ direction }) => direction === "out").map(({ name }) => name);

/** Runs both kernels one step after the other, then what is given, and says which buffers differ in how many bytes. */
async function differences(planned: Plan, launch: Launch, work: (kernel: "forward" | "backward") => void): Promise<Record<string, number>> {
  const serial = device.kernel(planned);
  const found: Record<string, number> = {};
  for (const kernel of planned.backward ? (["forward", "backward"] as const) : (["forward"] as const)) {
    serial[kernel](launch);
    const names = outputs(planned, kernel);
    const expected = await Promise.all(names.map((name) => device.read(launch.buffers[name])));
    names.forEach((name, i) => device.write(launch.buffers[name], expected[i].slice().fill(bufferTypes.f32 === launch.buffers[name].dtype ? untouched : 85)));
    work(kernel);
    for (const [i, name] of names.entries()) {
      const [a, b] = [expected[i], await device.read(launch.buffers[name])].map((array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
      const count = a.reduce((sum, byte, at) => sum + (byte === b[at] ? 0 : 1), 0);
      if (count > 0) found[`${kernel}: ${name}`] = count;
    }
  }
  return found;
}

const dispose = ({ buffers }: Launch): void => { for (const tensor of Object.values(buffers)) tensor.dispose(); };

const leakless = defineNeuron({
  name: "leakless", state: { v: 0 },
  step({ v }, { x }) {
    const h = v.add(x);
    const s = spike(h.sub(1), surrogate.atan());
    return { spike: s, v: h.sub(s) };
  },
});

const adaptive = defineNeuron({
  name: "adaptive", state: { v: 0, a: 0 }, params: { decay: 0.9, rho: 0.97, beta: 0.3 },
  step({ v, a }, { x }, { decay, rho, beta }) {
    const h = v.mul(decay).add(x);
    const s = spike(h.sub(a.mul(beta)).sub(1), surrogate.atan({ alpha: 2 }));
    return { spike: s, v: h.sub(s), a: a.mul(rho).add(s) };
  },
});

const neurons: readonly Neuron[] = [
  ...[1.1, 2, 5, 20].flatMap((tau) => [lif({ tau }), lif({ tau, reset: "soft" }), lif({ tau, vReset: -0.1, detachReset: true })]),
  integrateAndFire(), integrateAndFire({ reset: "soft" }), leakless, leaky({ beta: 0.95 }), leaky({ beta: 0.5, reset: "zero" }), synaptic(), adaptive, parametricLif(),
];

/** What is asked of a neuron's kernels, at random. */
function requestOf(neuron: Neuron, random: Random): PlanRequest {
  const chance = (share: number): boolean => random.uniform() < share;
  const states = Object.keys(neuron.state);
  const format = (["f32", "f32", "u8", "f16", "bf16", "bits"] as SpikeFormat[])[Math.floor(6 * random.uniform())];
  const differentiates = chance(0.8);
  return {
    neuron, steps: 4096, outputs: { spike: format }, record: chance(0.3) ? states : [], finalState: chance(0.5), initialState: chance(0.5),
    params: Object.fromEntries(Object.keys(neuron.params).map((name) => [name, chance(0.5) ? "layer" : "channel"] as const)),
    ...(differentiates && {
      gradients: ["x", ...(chance(0.5) ? states.map((name) => `state.${name}`) : [])],
      seeds: { spike: chance(0.8) ? "varying" : "constant", ...(chance(0.3) && { [`final.${states[0]}`]: "constant" }), ...(chance(0.3) && { [`trace.${states[0]}`]: "varying" }) },
    }),
  };
}

describe("chunks of time side by side", () => {
  it("come to what one step after the other does, bit for bit, in 1 000 random cases", async () => {
    const random = new Random(12);
    const pick = (from: number, to: number): number => from + Math.floor((to - from + 1) * random.uniform());
    const counts = { launches: 0, reruns: 0, cases: 0 };
    for (let planned = 0; planned < 100; planned++) {
      const kernels = plan(requestOf(neurons[planned % neurons.length], random));
      const parallel = new TimeParallel(device, kernels);
      for (let i = 0; i < 10; i++) {
        const chunks = pick(2, 6);
        const length = 32 * pick(2, 5);
        const rest = random.uniform() < 0.4 ? 0 : pick(1, 70);
        const size = pick(1, 21);
        const channels = size % 2 === 0 ? size / 2 : size;
        const launch = launchOf(kernels, chunks * length + rest, size, random, [0.5, 1, 3][pick(0, 2)], channels);
        const warmUp = 32 * pick(1, length / 32 - 1);
        const found = await differences(kernels, launch, (kernel) => {
          const reruns = parallel.runDivided(kernel, launch, { chunks, steps: length, rest }, { warmUp, proved: true }, chunks);
          expect(reruns).not.toBeNull();
          expect(reruns).toBeLessThan(chunks);
          counts.launches++;
          counts.reruns += Math.min(1, reruns!);
        });
        expect(found, `${kernels.neuron.name}, ${chunks} × ${length} + ${rest} steps, ${size} neurons, warm-up ${warmUp}, ${JSON.stringify(kernels.request.outputs)}`).toEqual({});
        counts.cases++;
        dispose(launch);
      }
    }
    expect(counts.cases).toBe(1000);
    // Both what is right at once and what has to run again was tried.
    expect(counts.reruns / counts.launches).toBeGreaterThan(0.1);
    expect(counts.reruns / counts.launches).toBeLessThan(0.9);
  }, 300_000);

  it("hold inputs that are constant over time, per neuron and per channel", async () => {
    const neuron = defineNeuron({
      name: "biased", state: { v: 0 }, inputs: ["x", "bias", "gain"], params: { decay: 0.8 },
      step({ v }, { x, bias, gain }, { decay }) {
        const h = v.mul(decay).add(x.mul(gain)).add(bias);
        const s = spike(h.sub(1), surrogate.sigmoid());
        return { spike: s, v: h.sub(s) };
      },
    });
    const kernels = plan({ neuron, steps: 512, inputs: { bias: { time: "constant" }, gain: { time: "constant", extent: "channel" } }, gradients: ["x"] });
    const parallel = new TimeParallel(device, kernels);
    for (const size of [3, 6, 18]) {
      const launch = launchOf(kernels, 512, size, new Random(3), 1.5, 3);
      const found = await differences(kernels, launch, (kernel) => expect(parallel.runDivided(kernel, launch, { chunks: 4, steps: 128, rest: 0 }, { warmUp: 64, proved: true }, 4)).not.toBeNull());
      expect(found).toEqual({});
      dispose(launch);
    }
  });
});

describe("a cpu device", () => {
  let parallel: CpuDevice;
  beforeAll(async () => { parallel = await CpuDevice.open(2); });
  afterAll(() => parallel.dispose());

  it("comes to the same whether the neuron forgets or not, over launches that learn which", async () => {
    for (const neuron of [lif(), lif({ tau: 20, reset: "soft" }), leakless, synaptic()]) {
      const kernels = plan({ neuron, steps: 16384, gradients: ["x"], finalState: true, seeds: { spike: "varying" } });
      const chunks = new TimeParallel(device, kernels);
      const done = { forward: 0, backward: 0 };
      for (let launches = 0; launches < 4; launches++) {
        const launch = launchOf(kernels, 16384, 5, new Random(launches), 1);
        const found = await differences(kernels, launch, (kernel) => { if (chunks.run(kernel, launch)) done[kernel]++; else device.kernel(kernels)[kernel](launch); });
        expect(found, neuron.name).toEqual({});
        dispose(launch);
      }
      // One that keeps all it was ever given is tried once, and left alone for some launches. Its adjoint does fade, by the surrogate's derivative.
      expect(chunks.counts.givenUp, neuron.name).toBe(neuron === leakless ? 1 : 0);
      expect(done, neuron.name).toEqual({ forward: neuron === leakless ? 0 : 4, backward: 4 });
    }
  });

  it("takes no more memory than is planned, and leaves nothing behind", () => {
    const kernels = plan({ neuron: lif(), steps: 8192, gradients: ["x"] });
    const kernel = parallel.kernel(kernels);
    const tensor = (length: number): Tensor => parallel.zeros([length]);
    const checkpoints = (8192 / 32 - 1) * 2;
    const buffers = { x: tensor(16384), spike: tensor(16384), "checkpoint.v": tensor(checkpoints), "d.spike": tensor(16384), "grad.x": tensor(16384), ...Object.fromEntries(Object.keys(lif().params).map((name) => [name, tensor(1)])) };
    const before = parallel.bytesInUse;
    const launch = { steps: 8192, size: 2, buffers };
    for (const direction of ["forward", "backward"] as const) {
      const peak = peakOf(parallel, () => kernel[direction](launch));
      const planned = parallel.allocation.workspace.fused!(kernels, direction, launch);
      expect(peak, direction).toBeGreaterThan(0);
      expect(peak, direction).toBeLessThanOrEqual(planned);
    }
    expect(parallel.bytesInUse).toBe(before);
  });
});
