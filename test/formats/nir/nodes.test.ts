import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../../src/device/index.ts";
import { type Tree, writeTree } from "../../../src/formats/nir/tree.ts";
import { importNir } from "../../../src/index.ts";
import { openTestDevice, product, relativeError, uniform } from "../../nn/helpers.ts";
import { chainOf, channelsLast, graphOf, run, single, treeOf, values, whole } from "./helpers.ts";
import { reference } from "./reference.ts";

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

const dt = 1e-3;
const STEPS = 24;
const [image, signal, vector] = [[3, 6, 5], [4, 9], [7]];
const conv2d = (shape: number[], more: object = {}) => ({ type: "Conv2d", weight: values(shape, 1, -1, 1), bias: values([shape[0]], 2, -1, 1), stride: whole(1, 1), padding: whole(0, 0), dilation: whole(1, 1), groups: single(1), input_shape: whole(6, 5), ...more });
const conv1d = (shape: number[], more: object = {}) => ({ type: "Conv1d", weight: values(shape, 1, -1, 1), bias: values([shape[0]], 2, -1, 1), stride: single(1), padding: single(0), dilation: single(1), groups: single(1), input_shape: single(9), ...more });
const affine = (outputs: number, inputs: number, seed = 3) => ({ type: "Affine", weight: values([outputs, inputs], seed, -1, 1), bias: values([outputs], seed + 1, -0.5, 1) });
const tau = (shape: number[], seed: number) => values(shape, seed, 2e-3, 2e-2);
const lif = (shape: number[]) => ({ type: "LIF", tau: tau(shape, 5), r: values(shape, 6, 2, 6), v_leak: values(shape, 7, -0.2, 0.2), v_threshold: values(shape, 8, 0.3, 0.9), v_reset: values(shape, 9, -0.3, 0.2) });
const fires = (shape: number[]) => ({ r: values(shape, 6, 200, 900), v_threshold: values(shape, 8, 0.3, 0.9), v_reset: values(shape, 9, -0.3, 0.2) });
const cuba = (shape: number[]) => ({ tau_mem: tau(shape, 5), tau_syn: tau(shape, 10), r: values(shape, 6, 2, 6), v_leak: values(shape, 7, -0.2, 0.2), w_in: values(shape, 11, 2, 9) });
/** A value for each channel, at all its places. */
const byChannel = (fields: Record<string, number[]>, places: number) =>
  Object.fromEntries(Object.entries(fields).map(([name, data]) => [name, { shape: [data.length, places], data: Float64Array.from({ length: data.length * places }, (_, i) => data[Math.floor(i / places)]) }]));
const pool = (type: string) => ({ type, kernel_size: whole(3, 2), stride: whole(2, 1), padding: whole(1, 0) });
const input = (shape: number[]) => ({ type: "Input", shape: whole(...shape) });
const output = (shape: number[]) => ({ type: "Output", shape: whole(...shape) });

/** For each type its parameters from neuron to neuron, and for shapes that lie otherwise here than there. */
const graphs: Record<string, Tree> = {
  "Affine": chainOf(vector, { a: affine(5, 7) }, [5]),
  "Linear": chainOf(vector, { a: { type: "Linear", weight: values([5, 7], 1, -1, 1) } }, [5]),
  "Scale of a vector": chainOf(vector, { a: { type: "Scale", scale: values(vector, 1, -1, 1) } }, vector),
  "Scale of images": chainOf(image, { a: { type: "Scale", scale: values(image, 1, -1, 1) } }, image),
  "Conv1d with stride, padding, dilation and groups": chainOf(signal, { a: conv1d([6, 2, 3], { stride: single(2), padding: single(2), dilation: single(2), groups: single(2) }) }, [6, 5]),
  "Conv2d with stride, padding, dilation and groups": chainOf(image, { a: conv2d([6, 1, 3, 2], { stride: whole(2, 1), padding: whole(1, 1), dilation: whole(1, 2), groups: single(3) }) }, [6, 3, 5]),
  "Conv2d with single lengths": chainOf(image, { a: conv2d([4, 3, 3, 3], { stride: single(2), padding: single(1), dilation: single(1) }) }, [4, 3, 3]),
  "SumPool2d": chainOf(image, { a: pool("SumPool2d") }, [3, 3, 4]),
  "AvgPool2d": chainOf(image, { a: pool("AvgPool2d") }, [3, 3, 4]),
  "Flatten before an Affine": chainOf(image, { a: { type: "Flatten", start_dim: single(0), end_dim: single(-1), input_type: whole(...image) }, b: affine(4, 90) }, [4]),
  "Flatten before neurons and an Affine": chainOf(image, { a: { type: "Flatten", start_dim: single(0), end_dim: single(2) }, b: lif([90]), c: affine(4, 90) }, [4]),
  "Delay of one length": chainOf(signal, { a: { type: "Delay", delay: { shape: signal, data: new Float64Array(36).fill(3 * dt) } } }, signal),
  "Delay from neuron to neuron, of none too": chainOf(signal, { a: { type: "Delay", delay: { shape: signal, data: Float64Array.from({ length: 36 }, (_, i) => (i % 6) * dt) } } }, signal),
  "I": chainOf(signal, { a: { type: "I", r: values(signal, 6, 50, 200) } }, signal),
  "IF": chainOf(image, { a: { type: "IF", ...fires(image) } }, image),
  "LI": chainOf(image, { a: { type: "LI", tau: tau(image, 5), r: values(image, 6, 1, 3), v_leak: values(image, 7, -1, 1) } }, image),
  "LIF of images": chainOf(image, { a: lif(image) }, image),
  "LIF of sequences": chainOf(signal, { a: lif(signal) }, signal),
  "LIF with one value for all": chainOf(vector, { a: { type: "LIF", tau: values([1], 5, 0.003, 0.004), r: values([1], 6, 3, 4), v_leak: values([1], 7, 0, 0.1), v_threshold: values([1], 8, 0.5, 0.6) } }, vector),
  "CubaLI": chainOf(image, { a: { type: "CubaLI", ...cuba(image) } }, image),
  "CubaLIF": chainOf(image, { a: { type: "CubaLIF", ...cuba(image), v_threshold: values(image, 8, 0.3, 0.9), v_reset: values(image, 9, -0.3, 0.2) } }, image),
  "Threshold": chainOf(image, { a: { type: "Threshold", threshold: values(image, 8, -0.5, 0.5) } }, image),
  "two edges into one node, which add, and one that is there twice": treeOf(
    { input: input(vector), a: affine(7, 7), b: affine(7, 7, 20), c: lif(vector), output: output(vector) }, "b c", "c output", "input a", "input b", "a c", "input b", "input c", "a output",
  ),
  "neurons that read themselves by an Affine": treeOf({ input: input(vector), a: lif(vector), b: affine(7, 7), output: output(vector) }, "b a", "a output", "a b", "input a"),
  "neurons with a current that read themselves by a Linear": treeOf(
    { input: input(vector), a: { type: "CubaLIF", ...cuba(vector), v_threshold: values(vector, 8, 0.3, 0.9) }, b: { type: "Linear", weight: values([7, 7], 12, -3, 3) }, output: output(vector) },
    "input a", "a b", "b a", "a output",
  ),
  "neurons that read themselves by a Scale": treeOf({ input: input(vector), a: lif(vector), b: { type: "Scale", scale: values(vector, 12, -2, 1) }, output: output(vector) }, "input a", "a b", "b a", "a output"),
  "neurons that read themselves as they are": treeOf({ input: input(vector), a: lif(vector), output: output(vector) }, "input a", "a a", "a output"),
  "neurons of sequences that read themselves by a Scale of each channel": treeOf(
    { input: input(signal), a: { type: "LIF", ...byChannel({ tau: [0.004, 0.005, 0.01, 0.02], r: [3, 4, 5, 6], v_leak: [0, 0, 0.1, 0.1], v_threshold: [0.5, 0.6, 0.7, 0.8] }, 9) }, b: { type: "Scale", ...byChannel({ scale: [-2, -1, 1, 2] }, 9) }, output: output(signal) },
    "input a", "a b", "b a", "a output",
  ),
  "neurons that read themselves after a flatten": treeOf(
    { input: input(signal), f: { type: "Flatten", start_dim: single(0), end_dim: single(-1) }, a: lif([36]), b: affine(36, 36), c: affine(3, 36, 30), output: output([3]) }, "input f", "f a", "a b", "b a", "a c", "c output",
  ),
};

async function stored(tree: Tree, name: string): Promise<string> {
  const path = join(directory, `${name}.nir`);
  await writeFile(path, await writeTree(tree));
  return path;
}

describe("a node", () => {
  it.each(Object.keys(graphs))("%s: is what the format's equations say in float64", async (name) => {
    const path = await stored(graphs[name], "graph");
    const expected = await reference(path, { dt });
    const { inputShape } = expected;
    const size = product(inputShape);
    const given = uniform(STEPS * size, 4, -1, 1.5);
    const { outputs, margin } = expected.run(Array.from({ length: STEPS }, (_, t) => given.subarray(t * size, (t + 1) * size)));
    const { model } = await importNir(path, { device, dt, steps: STEPS });
    const found = await run(model, STEPS, 1, channelsLast(given, inputShape));
    const isOfImages = model.outputShape.length > 1;
    const wanted = Float32Array.from(outputs.flatMap((values) => [...values]));
    const shape = [model.outputShape.at(-1)!, ...model.outputShape.slice(0, -1)];
    const isSpikes = wanted.every((value) => value === 0 || value === 1);
    expect(relativeError(found, isOfImages ? channelsLast(wanted, shape) : wanted)).toBeLessThan(isSpikes ? 1e-12 : 2e-6);
    expect(wanted.some((value) => value !== wanted[0])).toBe(true);
    expect(margin).toBeGreaterThan(1e-6);
    model.dispose();
  });

  it("of a nested graph is a node of the graph around it", async () => {
    const inner = graphOf({ input: input(vector), lif: lif(vector), w_rec: affine(7, 7), output: output(vector) }, "input lif", "lif w_rec", "w_rec lif", "lif output");
    const nested = treeOf({ input: input(vector), a: affine(7, 7, 40), layer: inner, b: affine(2, 7, 50), output: output([2]) }, "input a", "a layer", "layer b", "b output");
    const flat = treeOf({ input: input(vector), a: affine(7, 7, 40), lif: lif(vector), w_rec: affine(7, 7), b: affine(2, 7, 50), output: output([2]) }, "input a", "a lif", "lif w_rec", "w_rec lif", "lif b", "b output");
    const given = uniform(STEPS * 7, 4, -1, 1.5);
    const results = await Promise.all([nested, flat].map(async (tree) => {
      const { model, rules } = await importNir(await writeTree(tree), { device, dt, steps: STEPS });
      return { rules, values: await run(model, STEPS, 1, given) };
    }));
    expect(results[0].values).toEqual(results[1].values);
    expect(results[0].values.some((value) => value !== results[0].values[0])).toBe(true);
    expect(results[0].rules.join("\n")).toContain("layer.lif (LIF)");
  });

  it("whose metadata are of somebody else, or damaged, is what its fields say", async () => {
    const given = uniform(STEPS * 7, 4, -1, 1.5);
    const metadata: Tree[] = [{}, { metadata: { note: "mine", spikefold: "{" } }, { metadata: { spikefold: JSON.stringify({ reset: "off", surrogate: { name: "x", options: {}, lines: [["nothing"]] } }) } },
      { metadata: { spikefold: JSON.stringify({ learn: [], perChannel: [], neuron: { name: "a", state: {}, inputs: ["x"], params: {}, learnable: [], lines: [["add", 5, 6]], next: { spike: 0 } } }) } }];
    const outputs = await Promise.all(metadata.map(async (more) => {
      const { model } = await importNir(await writeTree(chainOf(vector, { a: { ...lif(vector), ...more } }, vector)), { device, dt, steps: STEPS });
      return run(model, STEPS, 1, given);
    }));
    expect(new Set(outputs[0]).size).toBe(2);
    for (const output of outputs) expect(output).toEqual(outputs[0]);
  });

  it("with the padding \"same\" keeps the shape", async () => {
    const weight = values([4, 3, 3, 5], 1, -1, 1);
    const [named, counted] = await Promise.all(["same", whole(2, 2)].map(async (padding) => {
      const { model } = await importNir(await writeTree(chainOf(image, { a: conv2d([4, 3, 3, 5], { weight, padding, dilation: whole(2, 1) }) }, [4, 6, 5])), { device, dt, steps: 1 });
      return run(model, 1, 1, uniform(90, 3));
    }));
    expect(named).toEqual(counted);
  });
});

describe("what is refused, by name", () => {
  const { LIF: _, ...good } = { LIF: 0, ...lif(vector) };
  const refused: [string, Tree, RegExp][] = [
    ["a type that there is not", chainOf(vector, { a: { type: "Lif" } }, vector), /node a is of the type Lif.*did you mean LIF\?/],
    ["a field that is missing", chainOf(vector, { a: { type: "LIF", r: values(vector, 1, 0, 1) } }, vector), /node a \(LIF\) has no tau/],
    ["a time constant shorter than dt", chainOf(vector, { a: { ...good, tau: values(vector, 1, 1e-4, 2e-4) } }, vector), /node a \(LIF\) has the time constant tau = .* shorter than dt/],
    ["a time constant that is negative", chainOf(vector, { a: { ...good, tau: values(vector, 1, -2, -1) } }, vector), /node a \(LIF\) has the time constant tau = -/],
    ["values for another shape", chainOf(vector, { a: { ...good, r: values([3], 1, 0, 1) } }, vector), /node a \(LIF\) has a r of shape \[3\], and an input of \[7\]/],
    ["a value that is not a number", chainOf(vector, { a: { ...good, r: { shape: vector, data: new Float64Array(7).fill(NaN) } } }, vector), /node a \(LIF\) has a value in r that is not a number/],
    ["a delay of half a step", chainOf(vector, { a: { type: "Delay", delay: { shape: [1], data: Float64Array.of(2.5 * dt) } } }, vector), /node a \(Delay\) has the delay .* 2.5 steps/],
    ["a product that float32 does not hold", chainOf(vector, { a: { ...good, r: values(vector, 1, 1e37, 1e38), v_leak: { shape: vector, data: new Float64Array(7).fill(1e300) } } }, vector), /node a \(LIF\) has values that make a drift beyond float32/],
    ["weights for another size", chainOf(vector, { a: affine(5, 6) }, [5]), /node a \(Affine\) has a weight of shape \[5, 6\], and gets \[7\]/],
    ["an Affine of images", chainOf(image, { a: affine(5, 5) }, [5]), /node a \(Affine\) gets \[3, 6, 5\]: expected \[N\]/],
    ["a window that does not fit", chainOf(image, { a: { type: "AvgPool2d", kernel_size: whole(9, 9), stride: whole(1, 1), padding: whole(0, 0) } }, image), /node a \(AvgPool2d\) has a window of 9×9/],
    ["a padding as large as its window", chainOf(image, { a: { type: "AvgPool2d", kernel_size: whole(2, 2), stride: whole(1, 1), padding: whole(2, 2) } }, image), /node a \(AvgPool2d\) cannot be had/],
    ["a part that is flattened", chainOf(image, { a: { type: "Flatten", start_dim: single(1), end_dim: single(2) } }, [3, 30]), /node a \(Flatten\) flattens the axes 1 … 2/],
    ["a cycle of two layers of neurons", treeOf({ input: input(vector), a: lif(vector), b: lif(vector), output: output(vector) }, "input a", "a b", "b a", "b output"), /the nodes (a → b → a|b → a → b) read one another in a circle/],
    ["neurons of sequences, each with values of its own, that read themselves", treeOf({ input: input(signal), a: lif(signal), output: output(signal) }, "input a", "a a", "a output"), /node a \(LIF\) reads itself elementwise and has values that differ within a channel/],
    ["an Affine that reads itself", treeOf({ input: input(vector), a: affine(7, 7), output: output(vector) }, "input a", "a a", "a output"), /the nodes a → a read one another/],
    ["two outputs", treeOf({ input: input(vector), a: output(vector), b: output(vector) }, "input a", "input b"), /2 nodes of type Output \(a, b\)/],
    ["a node without a source", treeOf({ input: input(vector), a: lif(vector), b: lif(vector), output: output(vector) }, "input a", "a output", "b output"), /node b \(LIF\) reads no other node/],
    ["a sum of two shapes", treeOf({ input: input(vector), a: affine(3, 7), output: output(vector) }, "input a", "input output", "a output"), /node output \(Output\) adds input, \[7\], and a, \[3\]/],
    ["a file that is no graph", { nodes: {} }, /has no group called node/],
  ];

  it.each(refused)("%s", async (_, tree, message) => {
    await expect(importNir(await writeTree(tree), { device, dt, steps: 2 })).rejects.toThrow(message);
  });

  it("bytes that are no HDF5 file, and a path at which there is none", async () => {
    await expect(importNir(new Uint8Array(64), { device, dt, steps: 2 })).rejects.toThrow(/the NIR file is no HDF5 file that can be read/);
    await expect(importNir("/nowhere/net.nir", { device, dt, steps: 2 })).rejects.toThrow(/net\.nir cannot be read/);
    const whole = await writeTree(graphs.LI);
    await expect(importNir(whole.subarray(0, whole.length - 500), { device, dt, steps: 2 })).rejects.toThrow(/is no HDF5 file/);
  });
});
