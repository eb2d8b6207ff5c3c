import type { MembraneTrace, Raster } from "./data.ts";
import { type Tick, ticks, titleOfX, titleOfY } from "./figure.ts";
import { percent, significant } from "./format.ts";
import { html, type Html } from "./html.ts";
import { linearScale } from "./scale.ts";

/** As many classes as there is room to name. */
const NAMED_CLASSES = 20;

/** Step t fills the column from t to t + 1, in rasters and membrane traces alike, so that they align below each other. */
export function raster({ name, steps, neurons, totalNeurons, spikes, classes = false }: Raster, nameOf: (label: number) => string): Html {
  const rate = spikes.length / (steps * neurons);
  const what = classes ? "classes" : "neurons";
  const shown = neurons < totalNeurons ? `${neurons} of ${totalNeurons.toLocaleString("en-US")} ${what}` : `${neurons} ${what}`;
  const named = classes && neurons <= NAMED_CLASSES;
  const [gapX, gapY] = [steps > 150 ? 0 : 0.08, neurons > 24 ? 0 : 0.1];
  const height = named ? neurons * 0.9 : Math.max(3, Math.min(9, neurons * (neurons > 24 ? 0.13 : 0.45)));
  const rows = (named ? Array.from({ length: neurons }, (_, n) => n) : linearScale(0, totalNeurons - 1, 3).ticks.filter(Number.isInteger))
    .map((n): Tick => ({ at: (n + 0.5) / totalNeurons, label: classes ? nameOf(n) : n < 1000 ? String(n) : `${n / 1000}k` }));
  return html`<div class="raster">
<p class="caption"><b>${name}</b> <span>${shown} · ${percent(rate)} spiking</span></p>
<div class="plot" style="--height:${Math.round(height * 100) / 100}rem" data-steps="${steps}">
${ticks(timeTicks(steps), rows)}${titleOfY(classes ? "class" : "neuron")}
<svg viewBox="0 0 ${steps} ${neurons}" preserveAspectRatio="none" role="img" aria-label="Spikes of ${name}: ${spikes.length} spikes of ${neurons} neurons in ${steps} time steps">
<path class="spikes" stroke-width="${1 - 2 * gapY}" d="${spikes.map(([t, neuron]) => `M${t + gapX} ${neuron + 0.5}h${1 - 2 * gapX}`).join("")}"/>
</svg></div>
${titleOfX("time step")}
</div>`;
}

export function membraneTrace({ layer, neuron, v, spikes, threshold, isMembrane = true }: MembraneTrace): Html {
  const steps = v.length;
  const thresholds = typeof threshold === "number" ? v.map(() => threshold) : threshold;
  const isFixed = thresholds.every((value) => value === thresholds[0]);
  const finite = [...v, ...thresholds].filter(Number.isFinite);
  const [lo, hi] = [Math.min(0, ...finite), Math.max(0, ...finite)];
  const margin = (hi - lo || 1) * 0.12;
  const y = linearScale(lo - margin, hi + margin, 3);
  const at = (value: number) => Math.round((1 - y(value)) * 1e4) / 100;
  const shown = isFixed && Number.isFinite(thresholds[0]) ? [thresholds[0], ...(Math.abs(at(thresholds[0]) - at(0)) > 18 ? [0] : [])] : y.ticks;
  const [drawn, limit] = [v, thresholds].map((values) => values.map((value, t) => (Number.isFinite(value) ? `${t + 0.5} ${at(value)}` : undefined)));
  const spikeTimes = spikes.flatMap((spiked, t) => (spiked ? [t] : []));
  const crowded = steps > 40;
  const [what, above] = isMembrane ? ["Membrane", `threshold ${isFixed ? significant(thresholds[0]) : "that adapts"}`] : ["Argument u of spike(u)", "threshold 0"];
  return html`<div class="membrane">
<p class="caption"><b>${layer}</b> <span>neuron ${neuron}${!isMembrane && ", the argument u of its spike"} · ${above}</span></p>
<div class="plot" data-steps="${steps}">
${ticks(timeTicks(steps), shown.map((value) => ({ at: 1 - y(value), label: significant(value) })))}${titleOfY(isMembrane ? "membrane" : "u")}
<svg viewBox="0 0 ${steps} 100" preserveAspectRatio="none" role="img" aria-label="${what} of neuron ${neuron} in ${layer}: ${spikeTimes.length} spikes in ${steps} time steps, ${above}">
<path class="grid" d="M0 ${at(0)}h${steps}"/><path class="threshold" d="${isFixed ? `M0 ${at(thresholds[0]) || 0}h${steps}` : broken(limit)}"/>
<path class="marks" d="${spikeTimes.map((t) => `M${t + 0.5} 0V${crowded ? 14 : at(v[t]) || 0}`).join("")}"/>
<path class="curve line train" d="${broken(drawn)}"/>
<path class="dots spike" d="${!crowded && spikeTimes.map((t) => drawn[t] && `M${drawn[t]}h0`).join("")}"/>
</svg></div>
${titleOfX("time step")}
</div>`;
}

/** A line through the points, broken where one is missing. */
const broken = (points: readonly (string | undefined)[]): string => points.map((point, i) => point && (i > 0 && points[i - 1] ? "L" : "M") + point).join("");

const timeTicks = (steps: number): Tick[] =>
  (steps <= 12 ? Array.from({ length: steps }, (_, t) => t) : linearScale(0, steps - 1, 6).ticks).map((t) => ({ at: (t + 0.5) / steps, label: t.toLocaleString("en-US") }));
