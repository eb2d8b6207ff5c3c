import type { RunReport, SampleReport } from "./data.ts";
import { barWidth } from "./bars.ts";
import { keys, saveButtons } from "./figure.ts";
import { significant } from "./format.ts";
import { html, type Html } from "./html.ts";
import { picture } from "./picture.ts";
import { membraneTrace, raster } from "./timePlots.ts";

/** Test samples, what the layers made of them over time, and what came out. */
export function samplesSection(run: RunReport): Html {
  const nameOf = (label: number) => run.classNames?.[label] ?? String(label);
  return html`<section>
<h2>Inside the network</h2>
<p class="lead">Test samples, the spikes they set off in each layer, and the membranes of single neurons before their reset. Every column is one time step.</p>
${
  run.samples.length > 1 &&
  html`<div class="picker">${run.samples.map(
    (sample, i) => html`<button type="button" aria-controls="sample-${i}" aria-pressed="${i === 0 ? "true" : "false"}" class="${outcome(sample)}">${picture(sample.image, `Test sample ${i + 1}: ${nameOf(sample.label)}, recognised as ${nameOf(sample.prediction)}`)}</button>
`,
  )}</div>`
}
${run.samples.map((sample, i) => sampleCard(sample, i, run, nameOf))}
</section>`;
}

const outcome = ({ label, prediction }: SampleReport) => (label === prediction ? "right" : "wrong");

function sampleCard(sample: SampleReport, index: number, run: RunReport, nameOf: (label: number) => string): Html {
  const steps = sample.layers[0]?.steps ?? sample.membranes[0]?.v.length ?? 0;
  return html`<article class="card sample" id="sample-${index}" data-figure="sample-${index + 1}"${index > 0 && html` hidden`} style="--steps:${steps}">
<div class="answer">
${picture(sample.image, `Picture of test sample ${index + 1}`)}
<div>
<h3>${nameOf(sample.label)}</h3>
<p class="${outcome(sample)}">${sample.label === sample.prediction ? "✓ recognised" : html`✗ taken for <b>${nameOf(sample.prediction)}</b>`}</p>
</div>
${scoreTable(sample, run.scoreName ?? "score", nameOf)}
${saveButtons(`sample ${index + 1}`)}
</div>
<div class="activity">
${sample.layers.map((layer) => raster(layer, nameOf))}
${sample.membranes.length > 0 && html`<h4>Membrane before its reset ${keys([{ name: "membrane", look: "line train" }, { name: "threshold", look: "threshold" }, { name: "spike", look: "dot spike" }])}</h4>`}
${sample.membranes.map(membraneTrace)}
</div>
</article>`;
}

function scoreTable({ scores, prediction, label }: SampleReport, scoreName: string, nameOf: (label: number) => string): Html {
  const largest = Math.max(...scores.filter(Number.isFinite), Number.MIN_VALUE);
  return html`<table class="bars scores">
<caption>Output: ${scoreName} per class</caption>
<tbody>${scores.map(
    (score, i) => html`<tr${i === prediction && html` class="${i === label ? "right" : "wrong"}"`}><th scope="row">${nameOf(i)}</th><td class="bar"><i style="width:${barWidth(score / largest)}"></i></td><td>${significant(score)}</td></tr>
`,
  )}</tbody></table>`;
}
