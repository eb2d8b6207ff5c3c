import type { MembraneTrace, Raster } from "./data.ts";
import { percent, significant } from "./format.ts";
import { html, type Html } from "./html.ts";
import { linearScale } from "./scale.ts";

/** Step t fills the column from t to t + 1, in rasters and membrane traces alike, so that they align below each other. */
export function raster({ name, steps, neurons, totalNeurons, spikes }: Raster): Html {
  const rate = spikes.length / (steps * neurons);
  const shown = neurons < totalNeurons ? `${neurons} of ${totalNeurons.toLocaleString("en-US")} neurons` : `${neurons} neurons`;
  const [gapX, gapY] = [steps > 150 ? 0 : 0.08, neurons > 24 ? 0 : 0.1];
  const height = Math.max(3, Math.min(9, neurons * (neurons > 24 ? 0.13 : 0.45)));
  return html`<figure class="raster">
<figcaption><b>${name}</b> <span>${shown} · ${percent(rate)} spiking</span></figcaption>
<div class="plot" style="--height:${Math.round(height * 100) / 100}rem" data-steps="${steps}">
<svg viewBox="0 0 ${steps} ${neurons}" preserveAspectRatio="none" role="img" aria-label="Spikes of ${name}: ${spikes.length} spikes of ${neurons} neurons in ${steps} time steps">
<path class="spikes" stroke-width="${1 - 2 * gapY}" d="${spikes.map(([t, neuron]) => `M${t + gapX} ${neuron + 0.5}h${1 - 2 * gapX}`).join("")}"/>
</svg></div>
</figure>`;
}

export function membraneTrace({ layer, neuron, v, spikes, threshold }: MembraneTrace): Html {
  const finite = v.filter(Number.isFinite);
  const lo = Math.min(0, ...finite);
  const hi = Math.max(threshold, ...finite);
  const margin = (hi - lo || 1) * 0.12;
  const y = linearScale(lo - margin, hi + margin);
  const at = (value: number) => Math.round((1 - y(value)) * 1e4) / 100;
  const steps = v.length;
  const drawn = v.map((value, t) => (Number.isFinite(value) ? `${t + 0.5} ${at(value)}` : undefined));
  const spikeTimes = spikes.flatMap((spiked, t) => (spiked ? [t] : []));
  const crowded = steps > 40;
  const line = drawn.map((point, t) => point && (t > 0 && drawn[t - 1] ? "L" : "M") + point).join("");
  return html`<figure class="membrane">
<figcaption><b>${layer}</b> <span>neuron ${neuron}</span></figcaption>
<div class="plot" data-steps="${steps}">
<span class="tick y" style="top:${at(threshold)}%">${significant(threshold)}</span>
<span class="tick y" style="top:${at(0)}%">0</span>
<svg viewBox="0 0 ${steps} 100" preserveAspectRatio="none" role="img" aria-label="Membrane of neuron ${neuron} in ${layer}: ${spikeTimes.length} spikes in ${steps} time steps, threshold ${significant(threshold)}">
<path class="grid" d="M0 ${at(0)}h${steps}"/><path class="threshold" d="M0 ${at(threshold)}h${steps}"/>
<path class="marks" d="${spikeTimes.map((t) => `M${t + 0.5} 0V${crowded ? 14 : at(v[t]) || 0}`).join("")}"/>
<path class="curve line train" d="${line}"/>
<path class="dots spike" d="${!crowded && spikeTimes.map((t) => drawn[t] && `M${drawn[t]}h0`).join("")}"/>
</svg></div>
</figure>`;
}

export function timeAxis(steps: number): Html {
  const ticks = steps <= 12 ? Array.from({ length: steps }, (_, t) => t) : linearScale(0, steps - 1, 6).ticks;
  return html`<div class="time-axis" aria-hidden="true"><div>${ticks.map((t) => html`<span class="tick x" style="left:${Math.round(((t + 0.5) / steps) * 1e4) / 100}%">${t}</span>`)}</div><p class="axis">time step</p></div>`;
}
