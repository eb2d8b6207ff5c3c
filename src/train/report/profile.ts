import type { RunReport } from "./data.ts";
import { duration, percent, significant } from "./format.ts";
import { html, type Html } from "./html.ts";
import { barWidth } from "./samples.ts";

/** Horizontal bars of one or more parts, as a table that also reads without its colours. */
interface BarRow {
  name: string;
  parts: readonly { kind: string; value: number }[];
  /** The values in words. */
  text: string;
}

function barTable(caption: string, rows: readonly BarRow[], full: number): Html {
  const kinds = rows[0]?.parts.map(({ kind }) => kind) ?? [];
  return html`<div class="card"><table class="bars wide">
<caption>${caption}${kinds.length > 1 && kinds.map((kind) => html` <span class="key block ${kind}">${kind}</span>`)}</caption>
<tbody>${rows.map(
    ({ name, parts, text }) => html`<tr><th scope="row">${name}</th><td class="bar">${parts.map(
      ({ kind, value }) => html`<i class="${kind}" style="width:${barWidth(value / full)}"></i>`,
    )}</td><td>${text}</td></tr>
`,
  )}</tbody></table></div>`;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const largestTotal = (rows: readonly BarRow[]) => Math.max(...rows.map(({ parts }) => sum(parts.map(({ value }) => value))));

export function firingRateSection({ firingRates }: RunReport): Html {
  const rows = firingRates.map(({ layer, rate }) => ({ name: layer, parts: [{ kind: "spiking", value: rate }], text: percent(rate) }));
  const full = Math.max(0.05, Math.ceil(Math.max(...firingRates.map(({ rate }) => rate)) * 20) / 20);
  return html`<section>
<h2>Firing rates</h2>
${barTable(`Share of neurons that spike in a time step, over the test set; a full bar is ${percent(full, 0)}`, rows, full)}
</section>`;
}

export function timeSection({ time = [], layerTime = [], stepTime }: RunReport): Html {
  const byKind = time.map(({ name, dense, neuron, rest }) => {
    const total = dense + neuron + rest;
    const share = (value: number) => percent(value / total, 0);
    return {
      name,
      parts: [{ kind: "dense", value: dense }, { kind: "neuron", value: neuron }, { kind: "rest", value: rest }],
      text: `${duration(total)} · ${share(dense)} / ${share(neuron)} / ${share(rest)}`,
    };
  });
  const byLayer = layerTime.map(({ name, forward, backward }) => ({
    name,
    parts: [{ kind: "forward", value: forward }, { kind: "backward", value: backward }],
    text: `${duration(forward)} + ${duration(backward)}`,
  }));
  return html`<section>
<h2>Where the time went</h2>
${stepTime && fusedAgainstStepwise(stepTime)}
${byKind.length > 0 && barTable("By kind of work", byKind, largestTotal(byKind))}
${byLayer.length > 0 && barTable("By layer", byLayer, largestTotal(byLayer))}
</section>`;
}

function fusedAgainstStepwise({ fusedMs, stepwiseMs, speedup }: NonNullable<RunReport["stepTime"]>): Html {
  const rows = [
    { name: "fused", parts: [{ kind: "neuron", value: fusedMs }], text: duration(fusedMs) },
    { name: "step by step", parts: [{ kind: "rest", value: stepwiseMs }], text: duration(stepwiseMs) },
  ];
  return barTable(`One training step: all time steps in one kernel is ${significant(speedup)}× as fast as one kernel per time step`, rows, Math.max(fusedMs, stepwiseMs));
}
