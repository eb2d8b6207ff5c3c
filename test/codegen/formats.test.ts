import { describe, expect, it } from "vitest";
import { decodeElement, decodeSpikes, encodeElement, formats, writeSpike } from "../../src/codegen/formats.ts";
import type { SpikeFormat } from "../../src/fusion/plan.ts";

describe("16-bit floats", () => {
  it.each(["f16", "bf16"] satisfies SpikeFormat[])("%s: every finite element survives decoding and encoding", (format) => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = decodeElement(format, bits);
      if (!Number.isNaN(value)) expect(encodeElement(format, value)).toBe(bits);
    }
  });

  it.each(["f16", "bf16"] satisfies SpikeFormat[])("%s: a number between two elements goes to the nearer one, a tie to the even one", (format) => {
    const largest = format === "f16" ? 0x7bff : 0x7f7f;
    for (let bits = 0; bits < largest; bits += 7) {
      const [low, high] = [decodeElement(format, bits), decodeElement(format, bits + 1)];
      const middle = (low + high) / 2;
      expect(encodeElement(format, middle)).toBe(bits % 2 === 0 ? bits : bits + 1);
      expect(encodeElement(format, Math.fround(low + (high - low) * 0.25))).toBe(bits);
      expect(encodeElement(format, -Math.fround(low + (high - low) * 0.75))).toBe(0x8000 | (bits + 1));
    }
  });

  it("overflow is infinite, NaN stays NaN", () => {
    expect(encodeElement("f16", 65519)).toBe(0x7bff);
    expect(encodeElement("f16", 65520)).toBe(0x7c00);
    expect(encodeElement("f16", -1e30)).toBe(0xfc00);
    for (const format of ["f16", "bf16"] as const) expect(decodeElement(format, encodeElement(format, NaN))).toBeNaN();
  });
});

it.each(Object.keys(formats) as SpikeFormat[])("spikes written as %s read back", (format) => {
  const [steps, size] = [40, 3];
  const target = new formats[format].array(format === "bits" ? 2 * size : steps * size);
  const spikes = Float32Array.from({ length: steps * size }, (_, i) => Number(i % 5 === 0 || i % 7 === 3));
  spikes.forEach((value, i) => writeSpike(target, format, Math.floor(i / size), size, i % size, value));
  expect(decodeSpikes(target, format, steps, size)).toEqual(spikes);
});
