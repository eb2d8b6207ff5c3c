import { describe, expect, it } from "vitest";
import { renderComparison } from "../../../src/train/report/compare.ts";
import type { RunReport } from "../../../src/train/report/data.ts";
import { sampleRun } from "./sampleRun.ts";

const one = sampleRun({ epochs: 3, stepsPerEpoch: 50 });
const other: RunReport = { ...sampleRun({ epochs: 5, stepsPerEpoch: 50 }), options: { ...one.options, batch: 64, shuffle: true }, training: { ...one.training, optimiser: "sgd, lr 0.1" } };
const rows = (page: string, table: string): string[][] =>
  [...new RegExp(`class="numbers${table}">[\\s\\S]*?<tbody>([\\s\\S]*?)</tbody>`).exec(page)![1].matchAll(/<tr>([\s\S]*?)<\/tr>/g)]
    .map(([, row]) => [...row.matchAll(/<t[hd][^>]*>([\s\S]*?)<\/t[hd]>/g)].map(([, cell]) => cell.replace(/<[^>]*>/g, "").trim()));

describe("renderComparison", () => {
  it("lists the settings that differ, and no others", () => {
    const page = renderComparison([{ name: "a", report: one }, { name: "b", report: other }]);
    expect(rows(page, " settings")).toEqual([["batch", "128", "64"], ["optimiser", "adam, lr 0.001", "sgd, lr 0.1"], ["shuffle", "–", "true"]]);
    expect(renderComparison([{ name: "a", report: one }, { name: "b", report: { ...one, environment: { ...one.environment, date: "later" } } }])).toContain("None: options");
  });

  it("says what came out of each run, and marks the best", () => {
    const page = renderComparison([{ name: "a", report: one }, { name: "b", report: { ...other, warnings: ["silent"] } }]);
    const [a, b] = rows(page, "");
    expect(a[1]).toBe(`${(100 * one.epochs[2].testAccuracy).toFixed(2)} %`.replace(" ", "\u202f"));
    expect([a[0], b[0], a[4], b[4]]).toEqual(["a", "b 1 warning", "3", "5"]);
    const marked = [...page.matchAll(/<td class="best">([^<]*)</g)].map(([, value]) => value);
    const best = [a, b].map((row) => row[1]).toSorted((x, y) => parseFloat(y) - parseFloat(x))[0];
    expect(marked).toContain(best);
    expect(marked).not.toContain([a[1], b[1]].find((value) => value !== best));
  });

  it("draws one curve for each run, to its own last epoch", () => {
    const page = renderComparison([{ name: "a", report: one }, { name: "b", report: other }]);
    const charts: { id: string; series: { name: string; points: [number, string][] }[] }[] = JSON.parse(/id="chart-data">([\s\S]*?)<\/script>/.exec(page)![1]);
    expect(charts.map(({ id }) => id)).toEqual(["test-accuracy", "test-loss", "train-accuracy", "train-loss"]);
    for (const { series } of charts) expect(series.map(({ name, points }) => [name, Math.round(points[points.length - 1][0])])).toEqual([["a", 3], ["b", 5]]);
  });

  it("stays small with many runs", () => {
    const long = sampleRun({ epochs: 30 });
    expect(renderComparison(Array.from({ length: 8 }, (_, i) => ({ name: `run ${i}`, report: long }))).length).toBeLessThan(800_000);
  });

  it("shows runs without epochs, and names of any kind, as text", () => {
    const page = renderComparison([{ name: "<b>", report: { ...one, epochs: [], steps: [], firingRates: [], stepTime: undefined } }, { name: "b", report: one }]);
    expect(page).not.toContain("<b>");
    expect(page.replace(/<script[\s\S]*/, "")).not.toMatch(/NaN|Infinity|undefined|\[object/);
  });
});
