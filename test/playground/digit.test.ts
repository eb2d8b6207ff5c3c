import { describe, expect, it } from "vitest";
import { centreOfMass, renderDigit, type Stroke } from "../../playground/src/train/digit.ts";
import { loadMnist } from "../../src/data/mnist.ts";

const line = (...points: [number, number][]): Stroke => points.map(([x, y]) => ({ x, y }));
const seven = [line([0.3, 0.2], [0.7, 0.2], [0.45, 0.8])];
const move = (strokes: readonly Stroke[], scale: number, dx: number, dy: number): Stroke[] => strokes.map((stroke) => stroke.map(({ x, y }) => ({ x: scale * x + dx, y: scale * y + dy })));

/** Rows and columns between the first and the last with ink. */
function box(image: ArrayLike<number>, ink = 0): [number, number] {
  const at = Array.from({ length: 784 }, (_, i) => i).filter((i) => image[i] > ink);
  const span = (values: number[]): number => Math.max(...values) - Math.min(...values) + 1;
  return [span(at.map((i) => Math.floor(i / 28))), span(at.map((i) => i % 28))];
}

describe("renderDigit", () => {
  it("fills a box of 20 pixels, with the centre of mass in the middle", () => {
    for (const strokes of [seven, [line([0.5, 0.1], [0.5, 0.9])], [line([0.1, 0.6], [0.9, 0.4])]]) {
      const image = renderDigit(strokes);
      expect(Math.max(...box(image, 127))).toBeGreaterThanOrEqual(18);
      expect(Math.max(...box(image))).toBeLessThanOrEqual(22);
      const { x, y } = centreOfMass(image);
      expect(x).toBeCloseTo(14.5, 1);
      expect(y).toBeCloseTo(14.5, 1);
    }
  });

  it("does not depend on where and how large it was drawn", () => {
    const image = renderDigit(seven);
    const small = renderDigit(move(seven, 0.5, 0.4, 0.1));
    image.forEach((value, i) => expect(Math.abs(value - small[i])).toBeLessThanOrEqual(2));
  });

  it("draws lines of soft edges, a dot as a dot, and nothing as nothing", () => {
    const image = renderDigit(seven);
    expect(image.filter((value) => value === 255).length).toBeGreaterThan(20);
    expect(image.filter((value) => value > 0 && value < 255).length).toBeGreaterThan(20);
    expect(box(renderDigit([line([0.3, 0.7])]))).toEqual([3, 3]);
    expect(renderDigit([])).toEqual(new Uint8Array(784));
  });

  it("uses as much ink as MNIST's images, in the same place", async () => {
    const { images, count } = await loadMnist({ split: "test", limit: 500 });
    const each = Array.from({ length: count }, (_, i) => images.subarray(i * 784, (i + 1) * 784));
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    const centres = each.map(centreOfMass);
    expect(mean(centres.map(({ x }) => x))).toBeCloseTo(14.5, 1);
    expect(mean(centres.map(({ y }) => y))).toBeCloseTo(14.5, 1);
    const ink = (image: Uint8Array): number => image.reduce((sum, value) => sum + value, 0) / 255;
    const inks = each.map(ink).sort((a, b) => a - b);
    for (const strokes of [seven, [line([0.5, 0.1], [0.5, 0.9])]]) {
      expect(ink(renderDigit(strokes))).toBeGreaterThan(inks[10]);
      expect(ink(renderDigit(strokes))).toBeLessThan(inks[490]);
    }
  });
});
