import { afterAll, beforeAll, expect, it } from "vitest";
import type { Device } from "../../src/device/index.ts";
import { defineNeuron, detach, leaky, lif, type Neuron, spike, surrogate, synaptic } from "../../src/index.ts";
import { recurrent, Tape } from "../../src/nn/index.ts";
import { recurrentCases } from "../peers/recurrent.ts";
import { buildModel, openTestDevice, read, relativeError } from "./helpers.ts";

let device: Device;
beforeAll(async () => void (device = await openTestDevice()));
afterAll(() => device.dispose());

const atan = surrogate.atan();

/** RLeaky's reset to zero takes the new input along, that of Leaky does not. */
const rleakyZero = (beta: number): Neuron => defineNeuron({
  name: "rleaky", state: { v: 0 }, params: { beta },
  step({ v }, { x }, p) {
    const fired = detach(spike(v.sub(1), atan, { strict: true }));
    const charged = v.mul(p.beta).add(x);
    const next = charged.sub(charged.mul(fired));
    return { spike: spike(next.sub(1), atan, { strict: true }), v: next };
  },
});

const makers = { leaky, synaptic, lif } as Record<string, (options: object) => Neuron>;
const neuronOf = (name: string, options: Record<string, unknown>): Neuron =>
  (name === "leaky" && options.reset === "zero" ? rleakyZero(options.beta as number) : makers[name]({ ...options, surrogate: atan }));

it.each(recurrentCases.map((each) => [`${each.peer} ${each.neuron} ${JSON.stringify(each.options)} ${each.weights}`, each] as const))(
  "equals %s in every spike and in all gradients",
  async (_, { neuron, options, weights, steps, batch, hidden, arrays }) => {
    const layer = recurrent(neuronOf(neuron, options), { weights, bias: arrays.bias !== undefined });
    using model = buildModel(layer, device, [hidden], steps);
    const [weight, bias] = model.parameters();
    device.write(weight.value, arrays.weight);
    if (bias) device.write(bias.value, arrays.bias!);
    using x = device.tensor(arrays.x, [steps, batch, hidden]);
    using seed = device.tensor(arrays.upstream, [steps, batch, hidden]);
    using tape = new Tape(device, { steps, training: true });
    const input = tape.input(x, { requiresGradient: true });
    const spikes = model.forward(tape, input);
    expect(await read(spikes.value)).toEqual(arrays.spikes);
    const [gradient] = tape.backward(spikes, seed, [input]);
    const close = (actual: Float32Array, expected: Float32Array): void => expect(relativeError(actual, expected)).toBeLessThan(1e-5);
    close(await read(gradient!), arrays.gradX);
    close(await read(weight.gradient!), arrays.gradWeight);
    if (bias) close(await read(bias.gradient!), arrays.gradBias!);
    for (const tensor of [gradient, weight.gradient, bias?.gradient]) tensor?.dispose();
  },
);
