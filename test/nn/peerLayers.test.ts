import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../src/device/index.ts";
import * as nn from "../../src/nn/index.ts";
import { onEachDevice } from "../device/devices.ts";
import { peerLayers } from "../peers/layers.ts";
import { buildModel, pass, read, relativeError } from "./helpers.ts";

const make = nn as unknown as Record<string, (...given: unknown[]) => nn.Layer>;

onEachDevice((open) => {
  let device: Device;
  beforeAll(async () => { device = await open(); });
  afterAll(() => device.dispose());

  describe.each(peerLayers.map((peer) => ({ ...peer, given: JSON.stringify(peer.arguments).slice(1, -1) })))("$layer($given)", (peer) => {
    it("is the peer's, forward and backward", async () => {
      const { steps, batch, shape, outputShape, arrays } = peer;
      using model = buildModel(make[peer.layer](...peer.arguments), device, shape, steps);
      expect(model.outputShape).toEqual(outputShape);
      for (const [i, { value }] of model.parameters().entries()) {
        const initial = arrays[`initial${i}`];
        if (initial) expect(relativeError(await read(value), initial)).toBeLessThan(1e-6);
        device.write(value, arrays[`parameter${i}`]);
      }
      const result = await pass(model, { steps, batch, shape, input: arrays.x, seedOf: () => arrays.gy });
      expect(relativeError(result.output, arrays.y)).toBeLessThan(1e-5);
      expect(relativeError(result.input, arrays.gx)).toBeLessThan(1e-5);
      const gradients = Object.values(result.parameters);
      expect(gradients.length).toBe(Object.keys(arrays).filter((name) => name.startsWith("gradient")).length);
      for (const [i, gradient] of gradients.entries()) expect(relativeError(gradient, arrays[`gradient${i}`])).toBeLessThan(1e-5);
      for (const [i, { value }] of model.buffers().entries()) expect(relativeError(await read(value), arrays[`buffer${i}`])).toBeLessThan(1e-5);
    });
  });
});
