import { describe, expect, it } from "vitest";
import { FileFormatError } from "../../../src/errors.ts";
import type { RunReport } from "../../../src/train/report/data.ts";
import { decodeReport, encodeReport } from "../../../src/train/report/file.ts";
import { renderReport } from "../../../src/train/report/render.ts";
import { sampleRun } from "./sampleRun.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const run = sampleRun({ epochs: 2, stepsPerEpoch: 30 });

describe("report.json", () => {
  it("holds what the page needs: the page of what was read is the page of what was written", () => {
    const read = decodeReport(bytes(encodeReport(run)), "report.json");
    expect(read).toEqual(JSON.parse(JSON.stringify(run, (_, value) => (typeof value === "number" ? Number(value.toPrecision(6)) : value))));
    expect(renderReport(decodeReport(bytes(encodeReport(read)), "report.json"))).toBe(renderReport(read));
  });

  it("keeps numbers that are not finite from becoming zeros", () => {
    const diverged: RunReport = { ...run, epochs: [{ ...run.epochs[0], testLoss: NaN }] };
    expect(decodeReport(bytes(encodeReport(diverged)), "report.json").epochs[0].testLoss).toBeNaN();
  });

  const damaged = (change: (report: any) => void) => {
    const report = JSON.parse(encodeReport(run));
    change(report);
    return JSON.stringify(report);
  };
  it.each<[string, string, RegExp]>([
    ["no JSON", "{", /no JSON/],
    ["another file", "{}", /format is undefined/],
    ["another version", damaged((r) => { r.version = 2; }), /version 2/],
    ["no title", damaged((r) => { delete r.title; }), /needs the option title|title/],
    ["epochs that are none", damaged((r) => { r.epochs[1].testLoss = "low"; }), /epochs/],
    ["steps that are no list", damaged((r) => { r.steps = 3; }), /steps is 3/],
    ["a sample without spikes", damaged((r) => { delete r.samples[0].layers[0].spikes; }), /samples/],
    ["a membrane that is text", damaged((r) => { r.samples[0].membranes[0].v = "high"; }), /samples/],
    ["rates without a layer", damaged((r) => { r.firingRates = [{ rate: 1 }]; }), /firingRates/],
    ["a confusion matrix with a hole", damaged((r) => { r.confusion[3].pop(); }), /confusion/],
    ["an option that is an object", damaged((r) => { r.options.deep = {}; }), /options/],
    ["something unknown", damaged((r) => { r.summary = 1; }), /summary/],
  ])("is refused by name if it is damaged: %s", (_, text, message) => {
    const read = () => decodeReport(bytes(text), "runs/a/report.json");
    expect(read).toThrow(FileFormatError);
    expect(read).toThrow(/^runs\/a\/report\.json/);
    expect(read).toThrow(message);
  });
});
