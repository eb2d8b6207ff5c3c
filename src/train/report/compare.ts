import { checkArgument, kind, object } from "../../check.ts";
import type { RunReport } from "./data.ts";
import { encodeReport } from "./file.ts";
import { keys } from "./figure.ts";
import { count, duration, fixed, percent, significant } from "./format.ts";
import { html, type Html } from "./html.ts";
import { accuracyFloor, everyNth, formatLoss, formatShare, scaleOfLoss } from "./learning.ts";
import { type LineChart, lineChart, type Series } from "./lineChart.ts";
import { renderPage } from "./page.ts";
import { linearScale, type Point, smooth } from "./scale.ts";

/** A run as a comparison calls it: by its directory. */
export interface NamedRun {
  name: string;
  report: RunReport;
}

/** Colours of the style sheet; beyond them, lines are dashed. */
const COLOURS = 8;
const DRAWN_POINTS = 300;

const runsKind = kind("a list of { name, report }, the reports made by buildRunReport", (x) => Array.isArray(x) && x.length > 0 && x.every((run) => object.accepts(run) && typeof run.name === "string" && object.accepts(run.report)));

/**
 * Several runs side by side as one self-contained HTML page: their curves in one chart each, what came out, and the settings that differ.
 * @throws OptionError for what is no list of runs, or none.
 */
export function renderComparison(runs: readonly NamedRun[]): string {
  checkArgument("renderComparison", "runs", runs, runsKind);
  const charts = comparedCharts(runs);
  return renderPage({
    title: `${runs.length} runs`,
    kind: "comparison",
    lead: [...new Set(runs.map(({ report }) => report.title))].join(" · "),
    sections: [
      resultSection(runs),
      html`<section><h2>Learning</h2><div class="charts">${charts.map(lineChart)}</div></section>`,
      settingsSection(runs),
    ],
    charts,
    data: { text: `[${runs.map(({ name, report }) => `{"name":${JSON.stringify(name)},"report":${encodeReport({ ...report, samples: [] }, 2 * DRAWN_POINTS)}}`).join(",")}]`, name: "comparison" },
  });
}

const lookOf = (run: number): string => `run run-${run % COLOURS}${run >= COLOURS ? " dashed" : ""}`;

function comparedCharts(runs: readonly NamedRun[]): LineChart[] {
  const x = linearScale(0, Math.max(1, ...runs.flatMap(({ report }) => report.epochs.map(({ epoch }) => epoch))), 6);
  const chart = (id: string, title: string, style: Series["style"], pointsOf: (report: RunReport) => Point[], scaleOf: (values: readonly number[]) => Pick<LineChart, "y" | "yLabel" | "yNote" | "formatY">, describe: (value: number) => string): LineChart => {
    const series = runs.map(({ name, report }, i): Series => ({ name, style, colour: lookOf(i), points: pointsOf(report) }));
    const ends = series.map(({ name, points }) => `${name} ${points.length > 0 ? describe(points[points.length - 1][1]) : "none"}`);
    return { id, title, description: `${title} of ${runs.length} runs, at their ends: ${ends.join(", ")}`, x, xLabel: "epoch", ...scaleOf(series.flatMap(({ points }) => points.map(([, y]) => y))), series };
  };
  const ofLoss = (values: readonly number[]) => {
    const { scale, note } = scaleOfLoss(values);
    return { y: scale, yNote: note, yLabel: "loss", formatY: formatLoss };
  };
  const ofAccuracy = (values: readonly number[]) => ({ y: linearScale(accuracyFloor(Math.min(1, ...values.filter(Number.isFinite))), 1), yLabel: "accuracy", formatY: formatShare });
  const loss = (value: number) => fixed(value, 3);
  const accuracy = (value: number) => percent(value, 2);
  return [
    chart("test-accuracy", "Test accuracy", "points", ({ epochs }) => epochs.map((e): Point => [e.epoch, e.testAccuracy]), ofAccuracy, accuracy),
    chart("test-loss", "Test loss", "points", ({ epochs }) => epochs.map((e): Point => [e.epoch, e.testLoss]), ofLoss, loss),
    chart("train-accuracy", "Training accuracy", "points", ({ epochs }) => epochs.map((e): Point => [e.epoch, e.trainAccuracy]), ofAccuracy, accuracy),
    chart("train-loss", "Training loss, smoothed", "line", trainingLoss, ofLoss, loss),
  ];
}

function trainingLoss({ steps, epochs }: RunReport): Point[] {
  const last = steps.at(-1);
  if (!last) return epochs.map((e): Point => [e.epoch, e.trainLoss]);
  const end = epochs.at(-1)?.epoch ?? 1;
  const perEpoch = (epochs.at(-1)?.step ?? last.step) / end;
  return everyNth(smooth(steps.map(({ step, loss }): Point => [step / perEpoch, loss]), Math.ceil(steps.length / 100)), DRAWN_POINTS);
}

interface Column {
  name: string;
  valueOf(report: RunReport): number | undefined;
  format(value: number): string;
  /** Which end of the values is the better one. */
  best?: "highest" | "lowest";
}

const lastOf = ({ epochs }: RunReport) => epochs.at(-1);
const mean = (values: readonly number[]): number | undefined => (values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : undefined);

const columns: readonly Column[] = [
  { name: "Test accuracy", valueOf: (r) => lastOf(r)?.testAccuracy, format: (value) => percent(value, 2), best: "highest" },
  { name: "Best", valueOf: ({ epochs }) => (epochs.length > 0 ? Math.max(...epochs.map(({ testAccuracy }) => testAccuracy)) : undefined), format: (value) => percent(value, 2), best: "highest" },
  { name: "Test loss", valueOf: (r) => lastOf(r)?.testLoss, format: (value) => fixed(value, 4), best: "lowest" },
  { name: "Epochs", valueOf: (r) => lastOf(r)?.epoch, format: count },
  { name: "Time", valueOf: ({ epochs }) => (epochs.length > 0 ? epochs.reduce((sum, { seconds }) => sum + seconds, 0) * 1000 : undefined), format: duration, best: "lowest" },
  { name: "Samples/s", valueOf: (r) => lastOf(r)?.samplesPerSecond, format: count, best: "highest" },
  { name: "Step", valueOf: ({ stepTime }) => stepTime?.fusedMs, format: duration, best: "lowest" },
  { name: "Speed-up", valueOf: ({ stepTime }) => stepTime?.speedup, format: (value) => `${significant(value)}×` },
  { name: "Rate", valueOf: ({ firingRates }) => mean(firingRates.map(({ rate }) => rate)), format: percent },
  { name: "Dead", valueOf: ({ firingRates }) => firingRates.reduce<number | undefined>((sum, { neurons }) => (neurons ? (sum ?? 0) + neurons.dead : sum), undefined), format: count },
  { name: "Parameters", valueOf: ({ model }) => model.reduce((sum, { parameters }) => sum + parameters, 0), format: count },
];

function resultSection(runs: readonly NamedRun[]): Html {
  const shown = columns.map((column) => {
    const values = runs.map(({ report }) => column.valueOf(report));
    const known = values.filter((value): value is number => value !== undefined && Number.isFinite(value));
    const best = column.best && new Set(known).size > 1 ? Math[column.best === "highest" ? "max" : "min"](...known) : undefined;
    return { ...column, values, best, known };
  }).filter(({ known }) => known.length > 0);
  return html`<section>
<h2>What came out</h2>
<p class="lead">After the last epoch; <i>best</i> is that of any epoch. A step is one update with time fused, the speed-up that over one step at a time. The rate is the layers' mean firing rate; dead neurons never fired on the test set.</p>
<div class="card scroll" tabindex="0" role="region" aria-label="Results of the runs"><table class="numbers">
<caption class="unseen">Results of the runs</caption>
<thead><tr><th scope="col">Run</th>${shown.map(({ name }) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${runs.map(({ name, report: { warnings = [] } }, i) => html`<tr><th scope="row">${keys([{ name, look: lookOf(i) }])}${warnings.length > 0 && html` <small>${warnings.length === 1 ? "1 warning" : `${warnings.length} warnings`}</small>`}</th>${shown.map(({ values, best, format }) => {
    const value = values[i];
    return html`<td${value !== undefined && value === best && html` class="best"`}>${value === undefined ? "–" : format(value)}</td>`;
  })}</tr>
`)}</tbody></table></div>
</section>`;
}

function settingsSection(runs: readonly NamedRun[]): Html {
  const settings = runs.map(({ report: { options, training, environment: { date: _date, ...environment }, model } }): Record<string, unknown> => ({
    ...options, ...training, ...environment, model: options.model ?? model.map(({ name }) => name).join(", "),
  }));
  const names = [...new Set(settings.flatMap(Object.keys))];
  const differing = names.filter((name) => new Set(settings.map((each) => JSON.stringify(each[name]))).size > 1);
  const said = (value: unknown) => (value === undefined ? "–" : String(value));
  return html`<section>
<h2>Settings that differ</h2>
${differing.length === 0 ? html`<p class="lead">None: options, training and machine are the same in all runs.</p>`
    : html`<div class="card scroll" tabindex="0" role="region" aria-label="Settings that differ"><table class="numbers settings">
<caption>Of options, training and machine; ${names.length - differing.length} others are the same in all runs</caption>
<thead><tr><th scope="col">Setting</th>${runs.map(({ name }, i) => html`<th scope="col">${keys([{ name, look: lookOf(i) }])}</th>`)}</tr></thead>
<tbody>${differing.map((name) => html`<tr><th scope="row">${name}</th>${settings.map((each) => html`<td>${said(each[name])}</td>`)}</tr>
`)}</tbody></table></div>`}
</section>`;
}
