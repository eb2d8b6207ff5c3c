import type { EpochReport, RunReport, StepReport } from "./data.ts";
import { count, duration, fixed, percent } from "./format.ts";
import { html, type Html } from "./html.ts";
import { lineChart, type LineChart } from "./lineChart.ts";
import { decimate, linearScale, logScale, smooth, type Point, type Scale } from "./scale.ts";

const drawnPoints = 600;

export const formatLoss = (value: number): string => (value !== 0 && value < 0.01 ? value.toPrecision(2) : String(Number(value.toPrecision(3))));
export const formatShare = (value: number): string => `${Number((value * 100).toFixed(2))}\u202f%`;

/** Loss and accuracy over the epochs; the training curves by step, smoothed. */
export function learningCharts(run: RunReport): LineChart[] {
  const last = run.epochs.at(-1);
  const lastStep = run.steps.at(-1)?.step ?? 0;
  const stepsPerEpoch = last ? (last.step ?? lastStep) / last.epoch : 1;
  const xLabel = last ? "epoch" : "training step";
  const x = linearScale(0, Math.max(last?.epoch ?? 0, lastStep / (stepsPerEpoch || 1)), 6);

  const curves = (ofStep: (s: StepReport) => number, ofTest: (e: EpochReport) => number, ofTrain: (e: EpochReport) => number) => {
    const raw = run.steps.map((step): Point => [step.step / stepsPerEpoch, ofStep(step)]);
    const train = raw.length > 0 ? everyNth(smooth(raw, Math.ceil(raw.length / 100)), drawnPoints) : run.epochs.map((e): Point => [e.epoch, ofTrain(e)]);
    const test = run.epochs.map((e): Point => [e.epoch, ofTest(e)]);
    return {
      test,
      train,
      series: [
        { name: "training, each step", style: "faint" as const, colour: "train", points: decimate(raw, ([, y]) => y, drawnPoints) },
        { name: "training", style: "line" as const, colour: "train", points: train },
        { name: "test", style: "points" as const, colour: "test", points: test },
      ],
    };
  };

  const loss = curves((s) => s.loss, (e) => e.testLoss, (e) => e.trainLoss);
  const lossScale = scaleOfLoss([...loss.train, ...loss.test].map(([, y]) => y));
  const accuracy = curves((s) => s.accuracy, (e) => e.testAccuracy, (e) => e.trainAccuracy);
  const settled = accuracy.train.filter(([at]) => at >= (run.epochs[0]?.epoch ?? 0) / 2);
  const worst = Math.min(1, ...[...settled, ...accuracy.test].map(([, y]) => y).filter(Number.isFinite));

  return [
    {
      id: "loss",
      title: "Loss",
      description: describe("Loss", run, ({ testLoss }) => fixed(testLoss, 3)),
      x,
      xLabel,
      y: lossScale.scale,
      yLabel: "loss",
      yNote: lossScale.note,
      formatY: formatLoss,
      series: loss.series,
    },
    {
      id: "accuracy",
      title: "Accuracy",
      description: describe("Accuracy", run, ({ testAccuracy }) => percent(testAccuracy, 2)),
      x,
      xLabel,
      y: linearScale(accuracyFloor(worst), 1),
      yLabel: "accuracy",
      formatY: formatShare,
      series: accuracy.series,
    },
  ];
}

export function everyNth(points: readonly Point[], limit: number): Point[] {
  const stride = Math.ceil(points.length / limit);
  return points.filter((_, i) => i % stride === 0 || i === points.length - 1);
}

/** Logarithmic once the curve falls far enough to crawl along the bottom of a linear chart. */
export function scaleOfLoss(values: readonly number[]): { scale: Scale; note?: string } {
  const finite = values.filter(Number.isFinite);
  const lo = Math.min(...finite, Infinity);
  const hi = Math.max(...finite, 0);
  if (lo > 0 && hi / lo > 8) return { scale: logScale(lo / 1.25, hi * 1.1), note: "logarithmic" };
  return { scale: linearScale(Math.min(0, lo), hi > 0 ? hi * 1.05 : 1) };
}

export const accuracyFloor = (worst: number) => [0.98, 0.95, 0.9, 0.8, 0.6, 0.4, 0.2].find((floor) => floor <= worst - 0.2 * (1 - worst)) ?? 0;

function describe(name: string, run: RunReport, value: (epoch: EpochReport) => string): string {
  const first = run.epochs[0];
  const last = run.epochs.at(-1);
  if (!first || !last) return `${name} over ${run.steps.length} training steps`;
  return `${name} on the test set: ${value(first)} after epoch ${first.epoch}, ${value(last)} after epoch ${last.epoch}`;
}

export function learningSection(run: RunReport, charts: LineChart[]): Html {
  const best = Math.max(...run.epochs.map(({ testAccuracy }) => testAccuracy));
  return html`<section>
<h2>Learning</h2>
<div class="charts">${charts.map(lineChart)}</div>
${
  run.epochs.length > 0 &&
  html`<div class="card scroll" tabindex="0" role="region" aria-label="Table of epochs"><table class="numbers">
<caption>Every epoch; the best test accuracy is marked</caption>
<thead><tr><th scope="col">Epoch</th><th scope="col">Train loss</th><th scope="col">Test loss</th><th scope="col">Train acc.</th><th scope="col">Test acc.</th><th scope="col">Time</th><th scope="col">Samples/s</th></tr></thead>
<tbody>${run.epochs.map(
    (e) => html`<tr${e.testAccuracy === best && html` class="best"`}><th scope="row">${e.epoch}</th><td>${fixed(e.trainLoss, 4)}</td><td>${fixed(e.testLoss, 4)}</td><td>${percent(e.trainAccuracy, 2)}</td><td>${percent(e.testAccuracy, 2)}</td><td>${duration(e.seconds * 1000)}</td><td>${count(e.samplesPerSecond)}</td></tr>
`,
  )}</tbody></table></div>`
}
</section>`;
}
