import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../../src/device/index.ts";
import { writeTree } from "../../../src/formats/nir/tree.ts";
import {
  avgPool2d, conv1d, conv2d, exportNir, flatten, importNir, integrateAndFire, leaky, leakyIntegrator, linear, type LayerLike, rate, recurrent, residual, sequential, spiking, sumPool2d, synaptic,
} from "../../../src/index.ts";
import { buildModel, openTestDevice, product, uniform } from "../../nn/helpers.ts";
import { missingModules, runPython } from "../../python.ts";
import { chainOf, channelsLast, run, values } from "./helpers.ts";
import { reference } from "./reference.ts";

const missing = missingModules("nir", "h5py", "numpy");
const title = `the Python package of NIR${missing.length > 0 ? ` (skipped: Python lacks ${missing.join(", ")})` : ""}`;
const script = "test/formats/nir/readBack.py";

interface Told {
  nodes: Record<string, { type: string; fields: Record<string, { shape: number[]; values: number[] }>; metadata: string[] }>;
  edges: [string, string][];
  metadata: string[];
}

describe.skipIf(missing.length > 0)(title, () => {
  let device: Device;
  let directory: string;
  beforeAll(async () => {
    device = await openTestDevice();
    directory = await mkdtemp(join(tmpdir(), "spikefold-nir-"));
  });
  afterAll(async () => {
    device.dispose();
    await rm(directory, { recursive: true });
  });

  async function readBack(body: LayerLike, shape: number[], ...more: string[]): Promise<Told> {
    using model = buildModel(body, device, shape, 4);
    const path = join(directory, "net.nir");
    await exportNir(model, path, { dt: 1e-3 });
    return JSON.parse(await runPython([script, "read", path, ...more])) as Told;
  }
  const types = ({ nodes }: Told): string[] => Object.values(nodes).map(({ type }) => type).sort();

  it("reads a convolutional network with its checks of types", async () => {
    const told = await readBack(sequential(conv2d(2, 3, { kernel: 3, padding: 1, stride: [2, 1] }), spiking(leaky()), sumPool2d([1, 2]), residual(spiking(integrateAndFire())), avgPool2d([1, 2], { stride: 1 }), flatten(), linear(18, 4), spiking(synaptic()), rate()), [5, 6, 2]);
    expect(types(told)).toEqual(["Affine", "AvgPool2d", "Conv2d", "CubaLIF", "Flatten", "IF", "Input", "LIF", "Output", "SumPool2d"]);
    expect(told.nodes["0"].fields.weight.shape).toEqual([3, 2, 3, 3]);
    expect(told.nodes["1"].fields.tau.shape).toEqual([3, 3, 6]);
    expect(told.nodes["1"].fields.tau.values.every((tau) => Math.abs(tau - 0.01) < 1e-9)).toBe(true);
    expect(told.metadata).toEqual(["spikefold"]);
    expect(told.nodes["7"].metadata).toContain("spikefold");
  });

  it("reads a recurrent network, an integrator, and a convolution of sequences", async () => {
    const told = await readBack(sequential(conv1d(3, 4, { kernel: 3, padding: 1 }), flatten(), linear(20, 6), recurrent(leaky()), linear(6, 5, { bias: false }), recurrent(synaptic(), { weights: "elementwise", bias: false }), spiking(leakyIntegrator()), rate()), [5, 3]);
    expect(types(told)).toEqual(["Affine", "Affine", "Conv1d", "CubaLI", "CubaLIF", "Flatten", "Input", "LIF", "Linear", "Output", "Scale"]);
    expect(told.edges).toContainEqual(["3", "3.recurrent"]);
    expect(told.edges).toContainEqual(["3.recurrent", "3"]);
  });

  it("reads the nodes that come from NIR alone", async () => {
    const shape = [7];
    const tree = chainOf(shape, {
      a: { type: "Scale", scale: values(shape, 1, -1, 1) }, b: { type: "Delay", delay: { shape, data: Float64Array.from({ length: 7 }, (_, i) => i * 1e-3) } }, c: { type: "I", r: values(shape, 2, 20, 60) },
      d: { type: "LI", tau: values(shape, 3, 2e-3, 1e-2), r: values(shape, 4, 1, 2), v_leak: values(shape, 5, 0, 1) }, e: { type: "Threshold", threshold: values(shape, 6, 0, 1) },
    }, shape);
    const { model } = await importNir(await writeTree(tree), { device, dt: 1e-3, steps: 4 });
    const path = join(directory, "nodes.nir");
    await exportNir(model, path, { dt: 1e-3 });
    model.dispose();
    const told = JSON.parse(await runPython([script, "read", path])) as Told;
    expect(types(told)).toEqual(["Delay", "I", "Input", "LI", "Output", "Scale", "Threshold"]);
    const { delay } = Object.values(told.nodes).find(({ type }) => type === "Delay")!.fields;
    delay.values.forEach((value, i) => expect(value).toBeCloseTo(i * 1e-3, 9));
  });

  it("reads convolutions in groups where its checks, which take them for whole, are off", async () => {
    const told = await readBack(sequential(conv2d(4, 4, { kernel: 3, groups: 4 }), flatten(), rate()), [5, 5, 4], "unchecked");
    expect(told.nodes["0"].fields.weight.shape).toEqual([4, 1, 3, 3]);
  });

  it.each(["plain", "gzip"])("writes one of each node, %s, and it runs here as its equations say in float64", async (how) => {
    const path = join(directory, `${how}.nir`);
    await runPython([script, "write", path, how]);
    const [dt, steps] = [1e-3, 16];
    const expected = await reference(path, { dt });
    const size = product(expected.inputShape);
    const given = uniform(steps * size, 4, -1, 2);
    const { outputs, margin } = expected.run(Array.from({ length: steps }, (_, t) => given.subarray(t * size, (t + 1) * size)));
    const { model } = await importNir(path, { device, dt, steps });
    const found = await run(model, steps, 1, channelsLast(given, expected.inputShape));
    expect([...found]).toEqual(outputs.flatMap((each) => [...each]));
    expect(new Set(found).size).toBe(2);
    expect(margin).toBeGreaterThan(1e-6);
    model.dispose();
  });
});
