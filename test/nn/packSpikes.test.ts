import { expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import { blockBytes } from "../../src/device/cuda/memory.ts";
import type { Device, Precision } from "../../src/device/index.ts";
import { lif } from "../../src/neuron/index.ts";
import { avgPool2d, batchNorm2d, conv2d, flatten, globalAvgPool2d, type Layer, type LayerLike, linear, maxPool2d, Model, rate, residual, sequential, spiking } from "../../src/nn/index.ts";
import { describeOnStandIn, openCuda } from "../device/cuda/standIn.ts";
import { openTestDevice, pass, uniform } from "./helpers.ts";

const [steps, batch, shape] = [4, 3, [8, 8, 3]] as const;
const fire = (): Layer => spiking(lif({ tau: 2, decayInput: false, threshold: 0.2 }));
const convolution = (from: number, to: number, kernel = 3): Layer[] => [conv2d(from, to, { kernel, padding: (kernel - 1) / 2, bias: false }), batchNorm2d(to)];

const networks: Record<string, () => LayerLike> = {
  "pooled convolutions": () => sequential(...convolution(3, 8), fire(), maxPool2d(2), ...convolution(8, 16), fire(), avgPool2d(2), flatten(), linear(64, 5), fire(), rate()),
  "residual blocks, added after and before the neurons": () => sequential(
    ...convolution(3, 8), fire(), residual(...convolution(8, 8), fire(), { shortcut: sequential(...convolution(8, 8, 1), fire()) }), residual(...convolution(8, 8)), fire(), globalAvgPool2d(), linear(8, 5), rate(),
  ),
};

const build = (body: LayerLike, device: Device, options: { packSpikes: boolean; precision?: Precision }): Model => Model.build(body, { device, inputShape: shape, steps, random: new Random(3), ...options });

/** With and without, the same bits; and less on the tape. */
async function compare(device: Device, body: () => LayerLike, precision?: Precision): Promise<void> {
  const run = async (packSpikes: boolean) => {
    using model = build(body(), device, { packSpikes, precision });
    return { memory: model.memory({ batch }), result: await pass(model, { steps, shape, batch, input: uniform(steps * batch * 192, 7, 0, 1) }) };
  };
  const [packed, plain] = [await run(true), await run(false)];
  expect(packed.result).toEqual(plain.result);
  const tapeOf = ({ memory }: typeof packed): number => memory.layers.reduce((sum, { tape }) => sum + tape, 0);
  expect(tapeOf(packed)).toBeLessThan(tapeOf(plain));
  expect(device.bytesInUse).toBe(0);
}

for (const [name, body] of Object.entries(networks)) {
  it(`${name}: on the cpu, spikes as bits change no bit of the gradients`, async () => {
    const device = await openTestDevice();
    await compare(device, body);
    await device.dispose();
  });
}

describeOnStandIn("on cuda", () => {
  it.each(Object.entries(networks))("%s: spikes as bits change no bit of the gradients", async (_, body) => {
    const device = await openCuda();
    for (const precision of ["float32", "bfloat16"] as const) await compare(device, body, precision);
    await device.dispose();
  });

  it("all spikes are kept so but the last layer's, those of residual blocks too", async () => {
    const device = await openCuda();
    const bits = (count: number): number => blockBytes(Math.ceil(count / 32) * 4);
    const tapes = (body: LayerLike): number[] => {
      using model = build(body, device, { packSpikes: true });
      return model.memory({ batch }).layers.filter(({ layer }) => layer.includes("spiking(")).map(({ tape }) => tape);
    };
    expect(tapes(networks["pooled convolutions"]())).toEqual([bits(steps * batch * 512), bits(steps * batch * 256), blockBytes(4 * steps * batch * 5)]);
    for (const tape of tapes(networks["residual blocks, added after and before the neurons"]())) expect(tape).toBeLessThan(2 * bits(steps * batch * 512));
    await device.dispose();
  });
});
