import type { LayerRate, NeuronRates, RunReport } from "./data.ts";
import { barTable, largestTotal } from "./bars.ts";
import { figure, ticks, titleOfX, titleOfY } from "./figure.ts";
import { count, percent } from "./format.ts";
import { html, type Html } from "./html.ts";
import { linearScale } from "./scale.ts";

/** Mean rates by layer, and how those of the neurons are spread. */
export function firingRateSection({ firingRates }: RunReport): Html {
  const rows = firingRates.map(({ layer, rate }) => ({ name: layer, parts: [{ kind: "spiking", value: rate }], text: percent(rate) }));
  const full = Math.max(0.05, Math.ceil(largestTotal(rows) * 20) / 20);
  const spread = firingRates.flatMap(({ layer, neurons }) => (neurons ? [{ layer, neurons }] : []));
  const highest = Math.max(0.1, ...spread.map(({ neurons: { histogram } }) => (histogram.findLastIndex((neurons) => neurons > 0) + 1) / histogram.length));
  return html`<section>
<h2>Firing rates</h2>
<p class="lead">On the test set: the share of time steps in which neurons spike.</p>
${figure({ id: "firing-rates", title: "Mean rate of each layer", note: `a full bar is ${percent(full, 0)}`, content: barTable("Share of neurons that spike in a time step, by layer", rows, full) })}
${spread.length > 0 && html`<div class="charts">${spread.map(({ layer, neurons }, i) => histogram(layer, neurons, highest, `firing-rates-${i + 1}`))}</div>`}
</section>`;
}

/** Neurons by their rate, those that never fire in another colour. */
function histogram(layer: LayerRate["layer"], { count: neurons, dead, saturated, histogram: bins }: NeuronRates, highest: number, id: string): Html {
  const drawn = bins.slice(0, Math.round(highest * bins.length));
  const x = linearScale(0, highest, 5);
  const y = linearScale(0, Math.max(...drawn, 1) * 1.05, 4);
  const at = (value: number) => Math.round((1 - y(value)) * 1e4) / 100;
  const bar = (bin: number, from: number, to: number) => (to > from ? `M${bin + 0.06} ${at(from)}h.88V${at(to)}h-.88z` : "");
  const share = (some: number) => (some === 0 ? "none" : `${count(some)} of ${count(neurons)} (${percent(some / neurons)})`);
  const said = `never fired: ${share(dead)} · in nearly every step: ${share(saturated)}`;
  return figure({
    id, title: layer, look: "chart histogram", note: said,
    legend: [{ name: "neurons", look: "block spiking" }, ...(dead > 0 ? [{ name: "never fired", look: "block dead" }] : [])],
    content: html`<div class="plot">
${ticks(x.ticks.map((tick) => ({ at: x(tick), label: percent(tick, 0) })), y.ticks.filter(Number.isInteger).map((tick) => ({ at: 1 - y(tick), label: count(tick) })))}${titleOfY("neurons")}
<svg viewBox="0 0 ${drawn.length} 100" preserveAspectRatio="none" role="img" aria-label="Neurons of ${layer} by their firing rate; ${said}">
<path class="grid" d="${y.ticks.map((tick) => `M0 ${at(tick)}h${drawn.length}`).join("")}"/>
<path class="filled spiking" d="${drawn.map((height, bin) => bar(bin, bin === 0 ? dead : 0, height)).join("")}"/>
<path class="filled dead" d="${bar(0, 0, dead)}"/>
</svg></div>
${titleOfX("firing rate: share of time steps with a spike")}`,
  });
}
