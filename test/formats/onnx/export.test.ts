import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../../src/device/index.ts";
import { Random } from "../../../src/data/index.ts";
import { adEx, adaptiveLif, encodeOnnx, exportOnnx, gatedLif, integerLif, izhikevich, leaky, lif, OptionError, parametricLif, refractoryLif, resonateAndFire, synaptic } from "../../../src/index.ts";
import {
  avgPool2d, batchNorm2d, conv1d, conv2d, dropout, everyStep, flatten, globalAvgPool1d, globalAvgPool2d, layerNorm, type Layer, linear, maxPool2d, membranes, type Model, rate, recurrent, residual,
  sequential, sewResnet18, spiking, spikingVgg11, sumPool2d, Tape, type Variable,
} from "../../../src/nn/index.ts";
import { encodeMessage } from "../../../src/formats/onnx/protobuf.ts";
import { buildModel, openTestDevice, product, read } from "../../nn/helpers.ts";
import { missingModules, runPython } from "../../python.ts";

const STEPS = 7;
const BATCH = 2;

interface Case {
  shape: number[];
  build: () => Layer;
}

const shared = (): ((tape: Tape, x: Variable) => Variable) => {
  const [first, fire, second] = [linear(6, 6), spiking(lif({ decayInput: false })), linear(6, 6)];
  return (tape, x) => {
    const h = fire.forward(tape, first.forward(tape, x));
    return fire.forward(tape, tape.add(second.forward(tape, h), x));
  };
};

const neurons = { adEx: adEx(), adaptiveLif: adaptiveLif(), gatedLif: gatedLif(), integerLif: integerLif(), izhikevich: izhikevich(), refractoryLif: refractoryLif(), resonateAndFire: resonateAndFire(), parametricLif: parametricLif() };

const cases: Record<string, Case> = {
  "a convolutional network": {
    shape: [8, 10, 2],
    build: () => sequential(
      conv2d(2, 4, { kernel: 3, padding: [1, 0], stride: [1, 2], bias: false }), batchNorm2d(4), spiking(lif()), maxPool2d(2), dropout(0.5),
      conv2d(4, 6, { kernel: [2, 1], groups: 2, dilation: [2, 1] }), spiking(leaky({ beta: 0.5, reset: "zero", learnable: ["beta"] }), { perChannel: ["beta"] }), avgPool2d(2, { stride: 1, padding: 1 }), sumPool2d(2, { stride: 1 }), flatten(), linear(24, 5), spiking(parametricLif()), everyStep(),
    ),
  },
  "a residual network": {
    // 16 positions: their mean is exact.
    shape: [4, 4, 3],
    build: () => sequential(
      conv2d(3, 8, { kernel: 3, padding: 1 }), spiking(lif()), residual(conv2d(8, 8, { kernel: 3, padding: 1, bias: false }), batchNorm2d(8), spiking(lif()), { shortcut: conv2d(8, 8, { kernel: 1 }) }), spiking(lif()), globalAvgPool2d(), linear(8, 4), spiking(leaky({ beta: 0.5 })), membranes(),
    ),
  },
  "sequences in a step": { shape: [12, 2], build: () => sequential(conv1d(2, 5, { kernel: 3, padding: 1, stride: 2 }), spiking(lif()), globalAvgPool1d(), linear(5, 4), spiking(lif()), everyStep()) },
  "recurrent layers": { shape: [9], build: () => sequential(linear(9, 8), recurrent(synaptic({ alpha: 0.5, beta: 0.75 })), linear(8, 6), recurrent(leaky({ beta: 0.5 }), { weights: "elementwise" }), everyStep()) },
  "a function that uses a layer twice": { shape: [6], build: () => sequential(shared(), everyStep()) },
  "SEW-ResNet18": { shape: [32, 32, 3], build: () => sequential(...sewResnet18({ classes: 10 }).layers().slice(0, -1), everyStep()) },
  "VGG-11": { shape: [32, 32, 2], build: () => sequential(...spikingVgg11({ classes: 3, grid: 1, hidden: [] }).layers().slice(0, -1), everyStep()) },
  ...Object.fromEntries(Object.entries(neurons).map(([name, neuron]) => [`neurons: ${name}`, { shape: [20], build: () => sequential(linear(20, 16), spiking(neuron, { learn: neuron.learnable }), everyStep()) }])),
};

/** Weights and statistics of few bits, so that products add up to the same in any order. */
function setDyadic(model: Model): void {
  const random = new Random(3);
  for (const { name, value } of [...model.parameters(), ...model.buffers()]) {
    const fanIn = value.shape.length > 1 ? product(value.shape.slice(0, -1)) : 0;
    const unit = fanIn > 0 ? 2 ** -Math.round(Math.log2(Math.sqrt(fanIn) * 2)) : 0.125;
    const middle = /Variance|weight/.test(name) && fanIn === 0 ? 8 : 2;
    if (fanIn === 0 && !/bias|weight|running/.test(name)) continue;
    model.device.write(value, Float32Array.from({ length: value.size }, () => unit * (fanIn > 0 ? random.integer(9) - 3 : middle + random.integer(3))));
  }
}

let device: Device;
let directory: string;
beforeAll(async () => {
  device = await openTestDevice();
  directory = await mkdtemp(join(tmpdir(), "spikefold-onnx-"));
});
afterAll(async () => {
  await device.dispose();
  await rm(directory, { recursive: true });
});

const missing = missingModules("numpy", "onnxruntime");

describe.skipIf(missing.length > 0)(`onnxruntime${missing.length > 0 ? ` (skipped: Python lacks ${missing.join(", ")})` : ""}`, () => {
  const fileOf = (name: string, ending: string): string => join(directory, `${name.replaceAll(/\W+/g, "-")}.${ending}`);
  const expected = new Map<string, Float32Array>();

  beforeAll(async () => {
    const given = [];
    for (const [name, { shape, build }] of Object.entries(cases)) {
      using model = buildModel(build(), device, shape, STEPS);
      setDyadic(model);
      const random = new Random(5);
      const input = Float32Array.from({ length: STEPS * BATCH * product(shape) }, () => random.integer(9) / 4 - 0.5);
      using x = device.tensor(input, [STEPS, BATCH, ...shape]);
      using tape = new Tape(device, { steps: STEPS, training: false });
      expected.set(name, await read(model.forward(tape, tape.input(x)).value));
      writeFileSync(fileOf(name, "input"), input);
      await exportOnnx(model, fileOf(name, "onnx"));
      given.push({ model: fileOf(name, "onnx"), input: fileOf(name, "input"), output: fileOf(name, "output"), steps: STEPS, batch: BATCH, shape });
    }
    writeFileSync(join(directory, "cases.json"), JSON.stringify(given));
    await runPython(["test/formats/onnx/run.py", join(directory, "cases.json")]);
  }, 300_000);

  it.each(Object.keys(cases))("spikes the same, step by step: %s", (name) => {
    const found = new Float32Array(Uint8Array.from(readFileSync(fileOf(name, "output"))).buffer);
    const ours = expected.get(name)!;
    expect(new Set(ours).size).toBeGreaterThan(1);
    expect(found).toEqual(ours);
  });
});

describe("encodeOnnx", () => {
  it("writes Protocol Buffers as their description has them", () => {
    // The examples of https://protobuf.dev/programming-guides/encoding/.
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
    expect(hex(encodeMessage([[1, 150]]))).toBe("089601");
    expect(hex(encodeMessage([[2, "testing"]]))).toBe("120774657374696e67");
    expect(hex(encodeMessage([[3, [[1, 150]]]]))).toBe("1a03089601");
    expect(hex(encodeMessage([[8, 2 ** 40]]))).toBe("40808080808020");
  });

  it("says the opset, the states and the read-out in the file", async () => {
    using model = buildModel(sequential(linear(3, 4), spiking(synaptic()), rate()), device, [3], STEPS);
    const text = Buffer.from(await encodeOnnx(model)).toString("latin1");
    expect(text).toContain("\x10\x11");
    expect(text).toContain(JSON.stringify([{ input: "1.i", output: "1.i.next", shape: [4], initial: 0 }, { input: "1.v", output: "1.v.next", shape: [4], initial: 0 }]));
    expect(text).toContain("spikefold.readout\x12\x04rate");
  });

  it.each([
    [sequential(linear(3, 4), layerNorm(4), spiking(lif()), rate()), /1: layerNorm\(4\) is a kind of layer that is not written as ONNX; those are: linear/],
    [sequential(linear(3, 4), spiking(lif()), rate(), linear(4, 2)), /3: linear\(4, 2\) comes after the read-out rate/],
  ])("refuses what it cannot write: %#", async (body, message) => {
    using model = buildModel(body, device, [3], STEPS);
    await expect(encodeOnnx(model)).rejects.toThrow(OptionError);
    await expect(encodeOnnx(model)).rejects.toThrow(message);
  });
});
