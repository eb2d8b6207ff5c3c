import type { RunReport } from "./data.ts";
import { count, duration, percent, significant } from "./format.ts";
import { html, json, raw, type Html } from "./html.ts";
import { learningCharts, learningSection } from "./learning.ts";
import { chartData } from "./lineChart.ts";
import { firingRateSection, timeSection } from "./profile.ts";
import { samplesSection } from "./samples.ts";
import { decimate } from "./scale.ts";
import { script } from "./script.ts";
import { setupSection } from "./setup.ts";
import { style, styleWithoutScript } from "./style.ts";

export type { EpochReport, LayerSummary, MembraneTrace, Raster, RunReport, SampleReport, StepReport } from "./data.ts";
export { rasterOf } from "./data.ts";

const keptSteps = 2000;
/** The file cannot reach the network even if something in it tried. */
const policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";
const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Cpath d='M1 1v2M1 5v2M4 2v4M7 1v1M7 4v3' stroke='%235b5bd6' stroke-width='1.2'/%3E%3C/svg%3E";

/**
 * A training run as one self-contained HTML page: no network, light and dark, for phone, desk and print.
 * The drawings are static and need no script; the script adds read-outs and the choice of samples.
 * The run itself (training steps thinned to 2000) is in the element #run-data as JSON.
 */
export function renderReport(run: RunReport): string {
  const charts = learningCharts(run);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Spikefold">
<title>${run.title}</title>
<link rel="icon" href="${icon}">
<link rel="expect" href="#save" blocking="render">
<style>${raw(style)}</style>
<noscript><style>${raw(styleWithoutScript)}</style></noscript>
</head>
<body>
<header>
<p class="brand">Spikefold · training report</p>
<h1>${run.title}</h1>
<p class="lead">${run.environment.date} · ${run.environment.device}</p>
${figures(run)}
</header>
<main>
${(run.epochs.length > 0 || run.steps.length > 0) && learningSection(run, charts)}
${run.samples.length > 0 && samplesSection(run)}
${run.firingRates.length > 0 && firingRateSection(run)}
${(run.stepTime || run.time?.length || run.layerTime?.length) && timeSection(run)}
${setupSection(run)}
${run.notes && run.notes.length > 0 && html`<section><h2>Notes</h2><ul>${run.notes.map((note) => html`<li>${note}</li>`)}</ul></section>`}
</main>
<footer><p>Written by Spikefold. <button type="button" id="save">Save the data as JSON</button></p></footer>
<script type="application/json" id="run-data">${json({ ...run, steps: decimate(run.steps, ({ loss }) => loss, keptSteps) })}</script>
<script type="application/json" id="chart-data">${json(charts.map(chartData))}</script>
<script>${raw(script)}</script>
</body>
</html>
`;
  return page.html;
}

/** The figures that one wants to know first. */
function figures(run: RunReport): Html {
  const last = run.epochs.at(-1);
  const rates = run.firingRates.map(({ rate }) => rate);
  const shown: { name: string; value: string }[] = [];
  if (last) {
    const seconds = run.epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
    shown.push(
      { name: "test accuracy", value: percent(last.testAccuracy, 2) },
      { name: last.epoch === 1 ? "for 1 epoch" : `for ${last.epoch} epochs`, value: duration(seconds * 1000) },
      { name: "samples a second", value: count(last.samplesPerSecond) },
    );
  }
  if (run.stepTime) shown.push({ name: "fused speed-up", value: `${significant(run.stepTime.speedup)}×` });
  if (rates.length > 0) shown.push({ name: "mean firing rate", value: percent(rates.reduce((sum, rate) => sum + rate, 0) / rates.length) });
  shown.push({ name: "parameters", value: count(run.model.reduce((sum, { parameters }) => sum + parameters, 0)) });
  return html`<dl class="figures">${shown.map(({ name, value }) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
