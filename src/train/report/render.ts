import { confusionSection } from "./confusion.ts";
import type { RunReport } from "./data.ts";
import { checkReport, encodeReport } from "./file.ts";
import { count, duration, percent, significant } from "./format.ts";
import { html, type Html } from "./html.ts";
import { learningCharts, learningSection } from "./learning.ts";
import { renderPage } from "./page.ts";
import { firingRateSection } from "./rates.ts";
import { operationsSection } from "./operations.ts";
import { samplesSection } from "./samples.ts";
import { setupSection } from "./setup.ts";
import { timeSection } from "./time.ts";

/**
 * A training run as one self-contained HTML page: no network, light and dark, for phone, desk and print.
 * The drawings are static and need no script; the script adds read-outs, the choice of samples, and saves figures as SVG and PNG.
 * The run itself (training steps thinned to 2000) is in the element #run-data as JSON.
 * @throws OptionError for what is no report.
 */
export function renderReport(run: RunReport): string {
  checkReport("renderReport", run);
  const charts = learningCharts(run);
  return renderPage({
    title: run.title,
    kind: "training report",
    lead: `${run.environment.date} · ${run.environment.device}`,
    header: figures(run),
    sections: [
      warningSection(run),
      (run.epochs.length > 0 || run.steps.length > 0) && learningSection(run, charts),
      run.confusion && run.confusion.length > 0 && confusionSection(run),
      run.samples.length > 0 && samplesSection(run),
      run.firingRates.length > 0 && firingRateSection(run),
      run.operations && run.operations.length > 0 && operationsSection(run.operations),
      run.stepTime && timeSection(run.stepTime),
      setupSection(run),
      run.notes && run.notes.length > 0 && html`<section><h2>Notes</h2><ul>${run.notes.map((note) => html`<li>${note}</li>`)}</ul></section>`,
    ],
    charts: run.epochs.length > 0 || run.steps.length > 0 ? charts : [],
    data: { text: encodeReport(run), name: "report" },
  });
}

const warningSection = ({ warnings = [] }: RunReport): Html | false => warnings.length > 0 && html`<section class="warnings card" aria-labelledby="warnings">
<h2 id="warnings">Warnings</h2><ul>${warnings.map((warning) => html`<li>${warning}</li>`)}</ul></section>`;

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
