import { afterAll, beforeAll, expect, it } from "vitest";
import type { Device } from "../../src/device/device.ts";
import { onEachDevice } from "./devices.ts";
import { spikes, values } from "./reference.ts";

onEachDevice((open) => {
  let device: Device;
  beforeAll(async () => { device = await open(); });
  afterAll(() => device.dispose());

  it.each([[[1]], [[31]], [[32]], [[33]], [[3, 5, 7]], [[4, 2, 100, 129]]])("spikes %j become bits and spikes again", async (shape) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const data = spikes(0.3)(size);
    using x = device.tensor(data, shape);
    using bits = device.dense.packSpikes(x);
    const words = Array.from({ length: Math.ceil(size / 32) }, () => 0);
    data.forEach((value, i) => { if (value) words[i >> 5] |= 1 << (i & 31); });
    expect([bits.dtype, bits.shape]).toEqual(["u32", [words.length]]);
    expect(await values(bits)).toEqual(words.map((word) => word >>> 0));
    using again = device.dense.unpackSpikes(bits, shape);
    expect([again.dtype, again.shape]).toEqual(["f32", shape]);
    expect(await device.read(again)).toEqual(data);
  });

  it("bits of another number of spikes are refused", () => {
    using bits = device.empty([2], "u32");
    expect(() => device.dense.unpackSpikes(bits, [65])).toThrow(/unpackSpikes: bits has 2 words, a tensor \[65\] takes 3/);
    using x = device.zeros([64]);
    expect(() => device.dense.unpackSpikes(x, [2048])).toThrow(/unpackSpikes: .* is of f32, u32 was expected/);
    expect(() => device.dense.packSpikes(bits)).toThrow(/packSpikes: .* is of u32, f32 (or bf16 )?was expected/);
    expect(() => device.dense.unpackSpikes(bits, [64], "f16" as never)).toThrow(/unpackSpikes: dtype is "f16": expected "f32" or "bf16"/);
  });

  it("spikes of bf16 are those of f32, where there is bf16", async () => {
    const data = spikes(0.3)(100);
    using bits = device.dense.packSpikes(device.tensor(data, [100]));
    if (!device.name.startsWith("cuda")) {
      expect(() => device.dense.unpackSpikes(bits, [100], "bf16")).toThrow(/float32 only/);
      return;
    }
    using rounded = device.dense.unpackSpikes(bits, [100], "bf16");
    expect(rounded.dtype).toBe("bf16");
    expect(await device.read(device.dense.cast(rounded, "f32"))).toEqual(data);
    expect(await device.read(device.dense.packSpikes(rounded))).toEqual(await device.read(bits));
  });
});
