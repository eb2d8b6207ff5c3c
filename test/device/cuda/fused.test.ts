import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { CudaDevice } from "../../../src/device/cuda/device.ts";
import { captureGraph } from "../../../src/cuda/index.ts";
import { sumRows } from "../../../src/device/cuda/reduce.ts";
import { openDevice, type Tensor } from "../../../src/device/index.ts";
import { DeviceError, OptionError, ShapeError } from "../../../src/errors.ts";
import { plan, type PlanRequest, type SpikeFormat } from "../../../src/fusion/plan.ts";
import { lif } from "../../../src/neuron/index.ts";
import { adaptiveLif } from "../../conformance/neurons.ts";
import { recurrentOf } from "../../conformance/cases.ts";
import { conform, difference, noise } from "../../conformance/suite.ts";
import { describeOnStandIn, openCuda } from "./standIn.ts";
import { sample } from "../../sample.ts";

const gradients = ["x", "decay", "beta", "state.v", "state.a"];

describeOnStandIn("fused kernels on cuda", () => {
  let device: CudaDevice;
  beforeAll(async () => { device = await openCuda(); });
  afterAll(() => device.dispose());

  async function expectEqual(request: PlanRequest, size: number, channels: number): Promise<void> {
    const { plan, expected, actual } = await conform(device, request, size, channels, size);
    for (const spec of [...plan.forward.buffers, ...(plan.backward?.buffers ?? [])]) {
      if (spec.direction !== "out") continue;
      // A sum over neurons is not added up in the interpreter's order.
      const allowed = spec.reduce ? 1e-4 : 0;
      expect(difference(spec, request.steps, actual[spec.name], expected[spec.name]), `${spec.name}, T = ${request.steps}, N = ${size}`).toBeLessThanOrEqual(allowed);
    }
  }

  it.each(sample([1, 2, 3, 8, 255, 256, 257, 1026, 4100], 3))("equal the interpreter for %i neurons", async (size) => {
    for (const steps of size < 1000 ? [1, 7, 70] : [33]) await expectEqual({ neuron: adaptiveLif, steps, gradients, record: ["v"], finalState: true }, size, size);
  });

  it.each(sample(["f32", "f16", "bf16", "u8", "bits"] satisfies SpikeFormat[], 2))("write spikes as %s", async (format) => {
    for (const steps of [31, 33]) for (const size of [37, 100]) await expectEqual({ neuron: lif(), steps, outputs: { spike: format } }, size, size);
  });

  it.each(sample([[31, 70, 6], [128, 300, 2], [1100, 2, 3], [2100, 1, 2]], 2))("let %i neurons read one another, in %i samples", async (channels, samples, steps) => {
    await expectEqual({ ...recurrentOf(adaptiveLif), steps }, channels * samples, channels);
  });

  it("say how many neurons that read one another a block can hold", async () => {
    const kernel = device.kernel(plan({ ...recurrentOf(adaptiveLif), steps: 1, gradients: [] }));
    expect(() => kernel.forward({ steps: 1, size: 4100, channels: 4100, buffers: {} })).toThrow(/cuda: adaptiveLif: 4100 neurons that are connected all to all exceed the 4096 that a block of threads can hold; make the recurrent layer smaller/);
  });

  it("replay a recurrent product as a graph, on the weights of the moment", async () => {
    const { plan: kernels, expected } = await conform(device, { ...recurrentOf(adaptiveLif), steps: 12 }, 3 * 40, 40);
    const tensors = Object.fromEntries(Object.entries(expected).map(([name, data]) => [name, device.tensor(data as Float32Array, [data.length])]));
    const launch = { steps: 12, size: 120, channels: 40, buffers: tensors };
    const kernel = device.kernel(kernels);
    kernel.forward(launch);
    kernel.backward(launch);
    using graph = captureGraph(device, () => { kernel.forward(launch); kernel.backward(launch); });
    const weights = (expected["mix.weights"] as Float32Array).map((w) => -w);
    device.write(tensors["mix.weights"], weights);
    graph.launch();
    const replayed = await device.read(tensors["grad.x"]);
    kernel.forward(launch);
    kernel.backward(launch);
    expect(replayed).toEqual(await device.read(tensors["grad.x"]));
    expect(replayed).not.toEqual(expected["grad.x"]);
    for (const tensor of Object.values(tensors)) tensor.dispose();
  });

  it("give gradients per channel and per layer", async () => {
    await expectEqual({ neuron: adaptiveLif, steps: 9, gradients, params: { decay: "channel", beta: "channel" } }, 7 * 300, 7);
    await expectEqual({ neuron: adaptiveLif, steps: 9, gradients, params: { decay: "channel" } }, 20_000, 20);
  });

  it("sum rows of any number in a fixed order", async () => {
    const random = noise(3);
    for (const [rows, columns] of [[1, 5], [2, 1], [64, 3], [65, 3], [4097, 7], [1, 1], [100_003, 1], [5, 1000]]) {
      const data = Float32Array.from({ length: rows * columns }, () => random());
      const exact = new Float64Array(columns);
      data.forEach((value, i) => (exact[i % columns] += value));
      using x = device.tensor(data, [rows, columns]);
      const sums = async () => {
        using y = device.zeros([columns]);
        sumRows(device.context, device.context.ptr(x, "x"), device.context.ptr(y, "y"), rows, columns);
        return (await device.read(y)) as Float32Array;
      };
      const first = await sums();
      first.forEach((sum, c) => expect(Math.abs(sum - exact[c]), `${rows} rows`).toBeLessThan(1e-6 * Math.sqrt(rows) + 1e-6));
      expect(await sums()).toEqual(first);
    }
  });

  it("may be launched in place for one step only", async () => {
    const kernel = device.kernel(plan({ neuron: lif(), steps: 1, outputs: { spike: "f32" } }));
    using tau = device.tensor(Float32Array.of(2), [1]);
    const params = Object.fromEntries(Object.keys(lif().params).map((name) => [name, tau]));
    using x = device.tensor(Float32Array.of(3, 0), [2]);
    kernel.forward({ steps: 1, size: 2, buffers: { ...params, x, spike: x } });
    expect(await device.read(x)).toEqual(Float32Array.of(1, 0));
    const several = () => kernel.forward({ steps: 2, size: 1, buffers: { ...params, x, spike: x } });
    expect(several).toThrow(/buffer spike shares its memory with another one/);
  });

  it("refuse launches that do not fit, with the same words as the cpu device", async () => {
    const cpu = await openDevice("cpu", { threads: 1 });
    const kernels = plan({ neuron: lif(), steps: 4, gradients: ["x"] });
    const forwardOnly = plan({ neuron: lif(), steps: 4 });
    for (const opened of [device, cpu]) {
      const kernel = opened.kernel(kernels);
      const names = kernels.forward.buffers.map(({ name }) => name);
      const x = opened.zeros([8]);
      const bytes = opened.zeros([8], "u8");
      const buffers = (others: Record<string, Tensor> = {}) => ({ ...Object.fromEntries(names.map((name) => [name, x])), ...others });
      expect(() => kernel.forward({ steps: 0, size: 2, buffers: buffers() })).toThrow(OptionError);
      expect(() => kernel.forward({ steps: 4, size: 0, buffers: buffers() })).toThrow(ShapeError);
      expect(() => kernel.forward({ steps: 4, size: 2, channels: 3, buffers: buffers() })).toThrow(/2 neurons cannot be split evenly into 3 channels/);
      expect(() => kernel.forward({ steps: 80, size: 2, buffers: buffers() })).toThrow(/planned for 4 steps without checkpoints, launched with 80/);
      expect(() => kernel.forward({ steps: 4, size: 2, buffers: {} })).toThrow(/the launch lacks the buffer/);
      expect(() => kernel.forward({ steps: 4, size: 3, buffers: buffers() })).toThrow(/needs 12 elements .*got \[8\]/);
      expect(() => opened.kernel(plan({ neuron: lif({ decayInput: false }), steps: 1, params: {} })).forward({ steps: 4, size: 2, buffers: buffers({ x: bytes }) })).toThrow(/is of u8, f32 was expected/);
      expect(() => opened.kernel(forwardOnly).backward({ steps: 4, size: 2, buffers: buffers() })).toThrow(/planned without gradients/);
      x.dispose();
      bytes.dispose();
    }
    await cpu.dispose();
  });

  it("say what the compiler gave them", () => {
    const kernel = device.kernel(plan({ neuron: lif(), steps: 8, gradients: ["x"] }));
    expect(kernel.resources("forward", 10_000)).toEqual({ vector: 4, registers: expect.any(Number), spilled: 0 });
    expect(kernel.resources("backward", 999).vector).toBe(1);
  });

  it("cost the host little more than the driver's own call", () => {
    const empty = device.context.function("empty", 'extern "C" __global__ void empty(float* x, const long long n) {}', "empty");
    using x = device.zeros([1]);
    const address = device.context.ptr(x, "empty");
    const costs = Array.from({ length: 20 }, () => {
      const start = performance.now();
      for (let i = 0; i < 200; i++) device.context.launch(empty, 1, [address, 1]);
      return (performance.now() - start) / 200;
    });
    expect(Math.min(...costs) * 1000).toBeLessThan(10);
  });
});

describeOnStandIn("graphs", () => {
  let device: CudaDevice;
  beforeAll(async () => { device = await openCuda(); });
  afterAll(() => device.dispose());

  /** y += 1 through a temporary. */
  const increment = (y: Tensor) => () => {
    const add = device.context.function("add_one", 'extern "C" __global__ void add_one(const float* x, float* y, const long long n) { const long long i = threadIdx.x; if (i < n) y[i] = x[i] + 1.0f; }', "add_one");
    using temporary = device.empty([y.size]);
    device.context.launch(add, y.size, [device.context.ptr(y, "x"), device.context.ptr(temporary, "y"), y.size]);
    device.copy(temporary, y);
  };

  it("replay what was queued, any number of times, and do not run it while recording", async () => {
    using y = device.tensor(Float32Array.of(1, 2, 3), [3]);
    using graph = captureGraph(device, increment(y));
    expect(await device.read(y)).toEqual(Float32Array.of(1, 2, 3));
    for (let i = 0; i < 5; i++) graph.launch();
    expect(await device.read(y)).toEqual(Float32Array.of(6, 7, 8));
    device.write(y, Float32Array.of(0, 0, 0));
    graph.launch();
    expect(await device.read(y)).toEqual(Float32Array.of(1, 1, 1));
  });

  it("keep their temporaries to themselves until they are disposed", async () => {
    using y = device.zeros([3]);
    const graph = captureGraph(device, increment(y));
    using other = device.tensor(Float32Array.of(5, 5, 5), [3]);
    using another = device.tensor(Float32Array.of(6, 6, 6), [3]);
    graph.launch();
    expect(await device.read(other)).toEqual(Float32Array.of(5, 5, 5));
    expect(await device.read(another)).toEqual(Float32Array.of(6, 6, 6));
    const { bytesReserved } = device.context.memory;
    graph.dispose();
    using _again = device.zeros([3]);
    expect(device.context.memory.bytesReserved).toBe(bytesReserved);
    expect(() => graph.launch()).toThrow(/launched after it was disposed/);
  });

  it("keep what was there before and is disposed while they are recorded", async () => {
    using y = device.zeros([3]);
    const before = device.zeros([3]);
    const graph = captureGraph(device, () => {
      device.copy(y, before);
      before.dispose();
    });
    using other = device.tensor(Float32Array.of(5, 5, 5), [3]);
    graph.launch();
    expect(await device.read(other)).toEqual(Float32Array.of(5, 5, 5));
    graph.dispose();
  });

  it("refuse uploads and reads, pass errors on, and leave the device as it was", async () => {
    using y = device.zeros([3]);
    expect(() => captureGraph(device, () => device.write(y, new Float32Array(3)))).toThrow(/write cannot be part of a graph/);
    expect(() => captureGraph(device, () => { throw new RangeError("mine"); })).toThrow(RangeError);
    expect(() => captureGraph(device, () => { captureGraph(device, () => {}); })).toThrow(DeviceError);
    increment(y)();
    expect(await device.read(y)).toEqual(Float32Array.of(1, 1, 1));
  });

  it("keep the tensors that they work on", async () => {
    using y = device.zeros([4096]);
    const graph = (() => {
      const x = device.tensor(new Float32Array(4096).fill(1), [4096]);
      return captureGraph(device, () => device.copy(x, y));
    })();
    setFlagsFromString("--expose-gc");
    for (let i = 0; i < 3; i++) {
      (runInNewContext("gc") as () => void)();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    using _other = device.tensor(new Float32Array(4096).fill(77), [4096]);
    graph.launch();
    expect(new Set((await device.read(y)) as Float32Array)).toEqual(new Set([1]));
    graph.dispose();
  });

  it("take over the memory that the same work left when it ran before", async () => {
    const other = await openCuda("cuda:1");
    const work = () => { using _a = other.zeros([1 << 20]); using _b = other.zeros([1 << 21]); };
    work();
    const { bytesReserved } = other.context.memory;
    using _graph = captureGraph(other, work);
    expect(other.context.memory.bytesReserved).toBe(bytesReserved);
    await other.dispose();
  });

  it("share their temporary memory, and what they leave until the other is launched", async () => {
    const other = await openCuda("cuda:1");
    const x = other.tensor(new Float32Array(1 << 18).fill(1), [1 << 18]);
    const left: Tensor[] = [];
    const work = (): void => {
      const copies = Array.from({ length: 4 }, () => {
        const copy = other.empty([1 << 18]);
        other.copy(x, copy);
        return copy;
      });
      for (const copy of copies.slice(1)) copy.dispose();
      left.push(copies[0]);
    };
    const first = other.capture(work);
    const { bytesReserved } = other.context.memory;
    const second = other.capture(work, { sharing: first });
    expect(other.context.memory.bytesReserved).toBe(bytesReserved);
    for (const [graph, result, value] of [[first, left[0], 2], [second, left[1], 3], [first, left[0], 4]] as const) {
      other.write(x, new Float32Array(1 << 18).fill(value));
      graph.launch();
      expect(new Set((await other.read(result)) as Float32Array)).toEqual(new Set([value]));
    }
    left[0].dispose();
    first.dispose();
    // What is no longer the first's is still the second's.
    const mine = Array.from({ length: 4 }, () => other.zeros([1 << 18]));
    second.launch();
    expect(new Set((await other.read(left[1])) as Float32Array)).toEqual(new Set([4]));
    for (const tensor of mine) expect(new Set((await other.read(tensor)) as Float32Array)).toEqual(new Set([0]));
    expect(() => other.capture(work, { sharing: first })).toThrow(/sharing is no graph of this device that is alive/);
    await other.dispose();
  });

  it("end with their device", async () => {
    const other = await openCuda("cuda:1");
    const y = other.zeros([3]);
    const graph = captureGraph(other, () => other.copy(y, y.reshape([3, 1])));
    await other.dispose();
    expect(() => graph.launch()).toThrow(DeviceError);
    graph.dispose();
  });
});
