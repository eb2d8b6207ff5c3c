import type { StepTimeReport } from "./data.ts";
import { barTable, largestTotal } from "./bars.ts";
import { figure } from "./figure.ts";
import { duration, percent, significant } from "./format.ts";
import { html, type Html } from "./html.ts";

const kinds = ["dense", "neuron", "rest"] as const;

/** One training step both ways: the time that passed, divided as the device's own time is. */
export function timeSection(stepTime: StepTimeReport): Html {
  const { fusedMs, stepwiseMs, speedup, fused, stepwise } = stepTime;
  const row = (name: string, ms: number, share: StepTimeReport["fused"]) => {
    const total = kinds.reduce((sum, kind) => sum + share[kind], 0);
    const parts = total > 0 ? kinds.map((kind) => ({ kind, value: (ms * share[kind]) / total })) : [{ kind: "rest", value: ms }];
    return { name, parts, text: total > 0 ? `${duration(ms)} · ${kinds.map((kind) => percent(share[kind] / total, 0)).join(" / ")}` : duration(ms) };
  };
  const rows = [row("time fused", fusedMs, fused), row("step by step", stepwiseMs, stepwise)];
  const legend = rows[0].parts.length > 1 ? kinds.map((kind) => ({ name: kind, look: `block ${kind}` })) : [];
  return html`<section>
<h2>Where the time goes</h2>
<p class="lead">One training step. All time steps in one kernel is ${significant(speedup)}× as fast as one kernel per time step.</p>
${figure({ id: "time", title: "Time of a training step", legend, content: barTable("Median time of a training step, and the shares of dense layers, neurons and the rest", rows, largestTotal(rows)) })}
</section>`;
}
