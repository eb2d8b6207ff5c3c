import { expect, it } from "vitest";
import { sample, thorough } from "./sample.ts";

it("takes so many of the cases in their order, others each time, or all", () => {
  const cases = Array.from({ length: 100 }, (_, i) => i);
  const samples = [sample(cases, 7), sample(cases, 7)];
  for (const each of samples) {
    expect(each).toHaveLength(thorough ? 100 : 7);
    expect(each.toSorted((a, b) => a - b)).toEqual(each);
    expect(each.every((i) => cases.includes(i))).toBe(true);
  }
  if (!thorough) expect(samples[0]).not.toEqual(samples[1]);
  expect(sample(cases.slice(0, 3), 7)).toEqual([0, 1, 2]);
});
