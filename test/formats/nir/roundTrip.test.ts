import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { File, type Group, ready } from "h5wasm/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../../src/device/index.ts";
import {
  avgPool2d, batchNorm2d, conv1d, conv2d, cubaLif, defineNeuron, dropout, encodeNir, everyStep, exportNir, flatten, globalAvgPool2d, importNir, integrateAndFire, lapicque, lastMembrane, type LayerLike, leaky,
  leakyIntegrator, lif, linear, maxPool2d, type Model, neuronByName, parametricLif, rate, recompute, recurrent, refractoryLif, residual, sequential, sewResnet18, spike, spikeCount, spiking, sumPool2d, surrogate, synaptic, type Tape, type Variable,
} from "../../../src/index.ts";
import { buildModel, openTestDevice, product, relativeError, uniform } from "../../nn/helpers.ts";
import { occasionally } from "../../sample.ts";
import { run } from "./helpers.ts";

let device: Device;
beforeAll(async () => void (device = await openTestDevice()));
afterAll(() => device.dispose());

const [dt, steps, batch] = [1e-3, 20, 3];
const image = [6, 6, 2];
const same = { kernel: 3, padding: 1 } as const;
const threshold = 0.3;
const own = defineNeuron({
  name: "own", state: { v: 0.1 }, params: { decay: 0.8, gain: 1.5 }, learnable: ["decay"],
  step({ v }, { x }, { decay, gain }) {
    const h = v.mul(decay).add(x.mul(gain)).sub(0.01);
    const s = spike(h.sub(threshold), surrogate.custom((u) => u.abs().mul(-2).exp(), "steep"));
    return { spike: s, v: h.sub(s.mul(threshold)) };
  },
});
const [twice, between, again] = [linear(5, 5), spiking(lif({ threshold })), spiking(leaky({ threshold }))];

const networks: [string, () => LayerLike, number[]][] = [
  ["lif", () => sequential(linear(5, 9), spiking(lif({ threshold, tau: 2.7 })), linear(9, 4), spiking(lif({ threshold, tau: 3, reset: "soft", decayInput: false })), rate()), [5]],
  ["lif with a reset that is not 0, and vgg's pieces", () => sequential(conv2d(2, 4, same), spiking(lif({ threshold, vReset: -0.2 })), avgPool2d(2), conv2d(4, 6, { kernel: [1, 3], stride: [1, 2], padding: [0, 1], groups: 2, bias: false }),
    spiking(integrateAndFire({ threshold })), sumPool2d(2), dropout(0.5), flatten(), linear(6, 3), spiking(lif({ threshold })), spikeCount()), image],
  ["convolutions of sequences", () => sequential(conv1d(3, 4, { kernel: 3, stride: 2, padding: 2, dilation: 2 }), spiking(leaky({ threshold })), flatten(), linear(16, 3), spiking(lapicque({ threshold })), everyStep()), [7, 3]],
  ["leaky and synaptic, with resets of all kinds", () => sequential(linear(5, 9), spiking(leaky({ threshold, reset: "zero" })), linear(9, 9), spiking(synaptic({ threshold, reset: "zero" })), linear(9, 9),
    spiking(leaky({ threshold, resetDelay: false, beta: 0.77 })), linear(9, 9), spiking(synaptic({ threshold })), linear(9, 9), spiking(leaky({ threshold, reset: "none" })), lastMembrane()), [5]],
  ["parameters that are learnt, for a layer and for each channel", () => sequential(linear(5, 9), spiking(parametricLif({ threshold })), linear(9, 6), spiking(leaky({ threshold, learnable: ["beta", "threshold"] }), { perChannel: ["beta"] }), everyStep()), [5]],
  ["parameters that are fixed for each channel and each neuron", () => sequential(conv2d(2, 3, same), spiking(leaky({ threshold }), { fixed: { beta: Float32Array.of(0.5, 0.7, 0.9) } }),
    conv2d(3, 2, same), spiking(leaky({ threshold }), { fixed: { beta: uniform(72, 1, 0.3, 0.9), threshold: uniform(72, 2, 0.2, 0.6) } }), everyStep()), image],
  ["currents, a refractory period and an integrator", () => sequential(linear(5, 9), spiking(cubaLif({ threshold })), linear(9, 9), spiking(refractoryLif({ threshold: 0.1, refractorySteps: 3 })), linear(9, 4), spiking(leakyIntegrator()), everyStep()), [5]],
  ["a neuron of one's own", () => sequential(linear(5, 9), spiking(own), everyStep()), [5]],
  ["a residual, and one around it", () => sequential(linear(5, 8), spiking(lif({ threshold })), residual(linear(8, 8), spiking(lif({ threshold })), residual(linear(8, 8), spiking(lif({ threshold }))), linear(8, 8)), spiking(lif({ threshold })), rate()), [5]],
  ["a residual with a shortcut, recomputed", () => sequential(recompute(residual(conv2d(2, 4, same), { shortcut: conv2d(2, 4, { kernel: 1 }) }), spiking(lif({ threshold }))), globalAvgPool2d(), linear(4, 3), everyStep()), image],
  ["a function that adds", () => sequential((tape: Tape, x: Variable) => {
    const a = between.forward(tape, twice.forward(tape, x));
    const b = again.forward(tape, twice.forward(tape, tape.add(a, a)));
    return tape.add(a, tape.add(b, x));
  }, spiking(lif({ threshold })), rate()), [5]],
  ["recurrent", () => sequential(linear(5, 9), recurrent(lif({ threshold })), linear(9, 7), recurrent(synaptic({ threshold, learnable: ["alpha"] }), { bias: false }), everyStep()), [5]],
  ["recurrent, each neuron to itself", () => sequential(linear(5, 9), recurrent(leaky({ threshold }), { weights: "elementwise" }), conv(), everyStep()), [5]],
  ["recurrent, each channel of an image to itself", () => sequential(conv2d(2, 3, same), recurrent(leaky({ threshold }), { weights: "elementwise", bias: false }), everyStep()), image],
  ["recurrent after a flatten", () => sequential(conv2d(2, 1, same), flatten(), recurrent(lif({ threshold })), linear(36, 2), everyStep()), image],
];
function conv(): LayerLike {
  return recurrent(leaky({ threshold }), { weights: "elementwise", bias: false });
}

/** Random values, so that learnt parameters are not where they start. */
function shaken(model: Model): Model {
  model.parameters().forEach(({ name, value }, i) => {
    if (!/weight|bias/.test(name)) device.write(value, uniform(value.size, i + 1, 0.2, 0.9));
  });
  return model;
}

const outputs = (model: Model, seed = 8): Promise<Float32Array> => run(model, steps, batch, uniform(steps * batch * product(model.inputShape), seed, -1, 2));

describe("a network that goes to NIR and comes back", () => {
  it.each(networks)("%s: has the same outputs bit for bit", async (_, body, shape) => {
    using model = shaken(buildModel(body(), device, shape, steps));
    const { bytes } = await encodeNir(model, { dt });
    const { model: back } = await importNir(bytes, { device, dt, steps });
    expect(back.inputShape).toEqual(shape);
    const [there, here] = [await outputs(model), await outputs(back)];
    expect(here).toEqual(there);
    expect(new Set(here).size).toBeGreaterThan(1);
    const { bytes: twice } = await encodeNir(back, { dt });
    const { model: again } = await importNir(twice, { device, dt, steps });
    expect(await outputs(again)).toEqual(there);
    for (const each of [back, again]) each.dispose();
  });

  it("has what can be learnt, and its gradients", async () => {
    using model = buildModel(sequential(linear(5, 9), spiking(parametricLif({ threshold })), linear(9, 6), spiking(leaky({ threshold, learnable: ["beta"] }), { perChannel: ["beta"] }), rate()), device, [5], steps);
    const { model: back } = await importNir((await encodeNir(model, { dt })).bytes, { device, dt, steps });
    const names = (of: Model): string[] => of.parameters().map(({ name, value }) => `${name} ${value.shape.join()}`);
    expect(names(back)).toEqual(names(model));
    back.dispose();
  });

  it("folds batch norms, within rounding, once and for all", async () => {
    using model = buildModel(sequential(conv2d(2, 4, { ...same, bias: false }), batchNorm2d(4), avgPool2d(2), flatten(), linear(36, 5), batchNorm2d(5), everyStep()), device, image, steps);
    for (const [i, { name, value }] of [...model.parameters(), ...model.buffers()].entries()) if (!/^[04]/.test(name)) device.write(value, uniform(value.size, i, 0.5, 2));
    const { bytes, rules } = await encodeNir(model, { dt });
    expect(rules.filter((rule) => rule.includes("folded"))).toHaveLength(2);
    const { model: back } = await importNir(bytes, { device, dt, steps });
    expect(back.buffers()).toEqual([]);
    const folded = await outputs(back);
    expect(relativeError(folded, await outputs(model))).toBeLessThan(1e-5);
    const { model: again } = await importNir((await encodeNir(back, { dt })).bytes, { device, dt, steps });
    expect(await outputs(again)).toEqual(folded);
    for (const each of [back, again]) each.dispose();
  });

  occasionally("may be a residual network of 18 layers", async () => {
    using model = buildModel(sewResnet18({ classes: 4, stem: "small" }), device, [8, 8, 3], 2);
    for (const [i, { name, value }] of [...model.parameters(), ...model.buffers()].entries()) if (/running|bias/.test(name)) device.write(value, uniform(value.size, i, 0.3, 1.2));
    const { model: back } = await importNir((await encodeNir(model, { dt })).bytes, { device, dt, steps: 2 });
    const input = uniform(2 * 8 * 8 * 3, 1, -1, 2);
    expect(relativeError(await run(back, 2, 1, input), await run(model, 2, 1, input))).toBeLessThan(1e-5);
    back.dispose();
  });

  it("with another dt has other decays, and how it fires all the same", async () => {
    using model = buildModel(sequential(linear(5, 9), spiking(leaky({ threshold, beta: 0.9, surrogate: surrogate.fastSigmoid() })), everyStep()), device, [5], steps);
    const { bytes } = await encodeNir(model, { dt });
    const { model: back, rules } = await importNir(bytes, { device, dt: 2 * dt, steps });
    expect(rules.join("\n")).toMatch(/of another dt or other values/);
    expect(rules.join("\n")).toMatch(/decay 0\.8,.*a spike takes the threshold from v, in the step after, surrogate fastSigmoid/);
    const { model: hard, rules: wanted } = await importNir(bytes, { device, dt, steps, reset: "hard", resetDelay: false });
    expect(wanted.join("\n")).toMatch(/a spike sets v to v_reset, surrogate fastSigmoid/);
    for (const each of [back, hard]) each.dispose();
  });
});

describe("what NIR has no node for is refused by the layer's name", () => {
  const refused: [string, () => LayerLike, number[], RegExp][] = [
    ["the largest of a window", () => sequential(conv2d(2, 2, same), maxPool2d(2), flatten(), rate()), image, /1: maxPool2d\(2×2\): NIR has no node for it/],
    ["a neuron with a current of its own", () => sequential(spiking(neuronByName("izhikevich")), rate()), [5], /0: spiking\(izhikevich\): NIR has no node for the neuron izhikevich: what its spikes are decided from/],
    ["a neuron whose threshold adapts", () => sequential(spiking(neuronByName("adaptiveLif")), rate()), [5], /0: spiking\(adaptiveLif\): .* it fires from what it was in the step before/],
    ["a neuron whose output is no spike", () => sequential(spiking(neuronByName("integerLif")), rate()), [5], /0: spiking\(integerLif\)/],
    ["a batch norm without weights", () => sequential(avgPool2d(2), batchNorm2d(2), flatten(), rate()), image, /1: batchNorm2d\(2\) is folded into the weights before it/],
    ["a batch norm of weights that something else reads", () => {
      const [first, norm] = [linear(5, 5), batchNorm2d(5)];
      return sequential((tape: Tape, x: Variable) => {
        const y = first.forward(tape, x);
        return tape.add(norm.forward(tape, y), y);
      }, rate());
    }, [5], /read before and after the batch norm/],
  ];

  it.each(refused)("%s", async (_, body, shape, message) => {
    using model = buildModel(body(), device, shape, steps);
    await expect(encodeNir(model, { dt })).rejects.toThrow(message);
  });
});

describe("exportNir", () => {
  it("replaces the file once all is written, and leaves nothing else", async () => {
    const directory = await mkdtemp(join(tmpdir(), "spikefold-nir-"));
    const path = join(directory, "net.nir");
    using model = buildModel(sequential(linear(5, 3), spiking(lif()), rate()), device, [5], steps);
    const { bytes } = await exportNir(model, path, { dt });
    expect(new Uint8Array(await readFile(path))).toEqual(bytes);
    using wrong = buildModel(sequential(spiking(neuronByName("izhikevich")), rate()), device, [5], steps);
    await expect(exportNir(wrong, path, { dt })).rejects.toThrow(/izhikevich/);
    expect(new Uint8Array(await readFile(path))).toEqual(bytes);
    expect(await readdir(directory)).toEqual(["net.nir"]);
    await rm(directory, { recursive: true });
  });

  it("says in SI units what the steps are, and what NIR does not say", async () => {
    const directory = await mkdtemp(join(tmpdir(), "spikefold-nir-"));
    const path = join(directory, "net.nir");
    using model = buildModel(sequential(linear(5, 3), spiking(lif({ tau: 4, vReset: -0.5, threshold: 0.25 })), linear(3, 3), spiking(refractoryLif()), rate()), device, [5], steps);
    const { rules } = await exportNir(model, path, { dt: 1e-4 });
    expect(rules).toEqual(["1: spiking(lif): it fires where v equals the threshold, too, which NIR does not say: in the metadata alone", "1: spiking(lif): v begins at -0.5, which NIR does not say: in the metadata alone", "3: spiking(refractoryLif): it has the states rho, which NIR does not say: in the metadata alone"]);
    await ready;
    const file = new File(path, "r");
    const field = (node: string, name: string): number[] => [...((file.get("node/nodes") as Group).get(`${node}/${name}`) as unknown as { value: Float64Array }).value];
    for (const [name, value] of Object.entries({ tau: 4e-4, r: 1, v_leak: -0.5, v_threshold: 0.25, v_reset: -0.5 })) for (const each of field("1", name)) expect(each).toBeCloseTo(value, 10);
    // Steps of 1 ms with rates of 200/s and 100/s are what Norse's defaults mean: decays of 0.8 and 0.9, here in steps of 0.1 ms.
    for (const [name, value] of Object.entries({ tau_syn: 5e-4, tau_mem: 1e-3 })) for (const each of field("3", name)) expect(each).toBeCloseTo(value, 9);
    file.close();
    await rm(directory, { recursive: true });
  });
});
