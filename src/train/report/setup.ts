import type { RunReport, Settings } from "./data.ts";
import { count } from "./format.ts";
import { html, type Html } from "./html.ts";

/** What was trained, how and on what. */
export function setupSection({ model, options, training, environment }: RunReport): Html {
  const total = model.reduce((sum, { parameters }) => sum + parameters, 0);
  return html`<section>
<h2>Setup</h2>
<div class="columns">
<div class="card"><table class="numbers model">
<caption>Model</caption>
<thead><tr><th scope="col">Layer</th><th scope="col">Output</th><th scope="col">Parameters</th></tr></thead>
<tbody>${model.map(
    ({ name, outputShape, parameters }) => html`<tr><th scope="row">${name}</th><td>${outputShape.join(" × ")}</td><td>${parameters > 0 ? count(parameters) : "–"}</td></tr>
`,
  )}</tbody>
<tfoot><tr><th scope="row">Total</th><td></td><td>${count(total)}</td></tr></tfoot></table></div>
${pairs("Training", training)}
${pairs("Options", options)}
${pairs("Environment", environment)}
</div>
</section>`;
}

const pairs = (caption: string, values: Settings) => Object.keys(values).length > 0 && html`<div class="card"><table class="pairs">
<caption>${caption}</caption>
<tbody>${Object.entries(values).map(([name, value]) => html`<tr><th scope="row">${name}</th><td>${String(value)}</td></tr>
`)}</tbody></table></div>`;
