import type { RunReport } from "./data.ts";
import { figure, ticks, titleOfX, titleOfY } from "./figure.ts";
import { count, percent } from "./format.ts";
import { html, type Html } from "./html.ts";
import { linearScale } from "./scale.ts";

export interface Pair {
  label: number;
  prediction: number;
  count: number;
  /** Of the label's samples. */
  share: number;
}

const SHOWN_PAIRS = 8;
/** As many classes as a table has room for. */
const TABLE_CLASSES = 20;

/** The classes that are taken for each other most often, the most frequent first. */
export const worstPairs = (matrix: readonly (readonly number[])[], limit = SHOWN_PAIRS): Pair[] =>
  matrix
    .flatMap((row, label) => row.map((each, prediction): Pair => ({ label, prediction, count: each, share: each / total(row) })).filter((pair) => pair.count > 0 && pair.prediction !== label))
    .toSorted((a, b) => b.count - a.count)
    .slice(0, limit);

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

/** 0 (none) … 5 (nearly all). */
const heat = (share: number): number => (share > 0 ? 1 + [0.02, 0.1, 0.3, 0.7].filter((step) => share > step).length : 0);

export function confusionSection({ confusion = [], classNames }: RunReport): Html {
  const nameOf = (label: number) => classNames?.[label] ?? String(label);
  const samples = total(confusion.map(total));
  const right = total(confusion.map((row, label) => row[label]));
  const pairs = worstPairs(confusion);
  return html`<section>
<h2>What is taken for what</h2>
<p class="lead">${count(right)} of ${count(samples)} test samples recognised. Each row is a class; a column says how many of its samples were taken for that class.</p>
<div class="confusion">
${figure({ id: "confusion", title: "Confusion matrix", content: confusion.length <= TABLE_CLASSES ? matrixTable(confusion, nameOf) : heatMap(confusion, right, samples) })}
<div class="card"><table class="numbers pairs-table">
<caption>The worst pairs</caption>
${pairs.length === 0 ? html`<tbody><tr><td>None: every test sample is recognised.</td></tr></tbody>` : html`<thead><tr><th scope="col">Class</th><th scope="col">taken for</th><th scope="col">Samples</th><th scope="col">Share</th></tr></thead>
<tbody>${pairs.map(({ label, prediction, count: images, share }) => html`<tr><th scope="row">${nameOf(label)}</th><td>${nameOf(prediction)}</td><td>${count(images)}</td><td>${percent(share)}</td></tr>
`)}</tbody>`}</table></div>
</div>
</section>`;
}

function matrixTable(matrix: readonly (readonly number[])[], nameOf: (label: number) => string): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix"><table class="matrix">
<caption class="unseen">Test samples of each class, in rows, by the class that they were taken for, in columns</caption>
<thead><tr><td></td><th scope="colgroup" colspan="${matrix.length}" class="axis">class that it was taken for</th></tr>
<tr><th scope="col" class="axis">class</th>${matrix.map((_, prediction) => html`<th scope="col"><span>${nameOf(prediction)}</span></th>`)}</tr></thead>
<tbody>${matrix.map((row, label) => html`<tr><th scope="row">${nameOf(label)}</th>${row.map((each, prediction) => html`<td class="heat-${heat(each / total(row))}${prediction === label && " diagonal"}">${each > 0 && String(each)}</td>`)}</tr>
`)}</tbody></table></div>`;
}

function heatMap(matrix: readonly (readonly number[])[], right: number, samples: number): Html {
  const size = matrix.length;
  const at = linearScale(0, size - 1, 8).ticks.filter(Number.isInteger).map((label) => ({ at: (label + 0.5) / size, label: String(label) }));
  const cells = matrix.flatMap((row, label) => row.map((each, prediction) => ({ level: heat(each / total(row)), path: `M${prediction} ${label + 0.5}h1` })));
  return html`<div class="plot heat-map">
${ticks(at, at)}${titleOfY("class")}
<svg viewBox="0 0 ${size} ${size}" preserveAspectRatio="none" role="img" aria-label="Confusion of ${size} classes: ${right} of ${samples} test samples on the diagonal">
${[1, 2, 3, 4, 5].map((level) => html`<path class="cells heat-${level}" d="${cells.filter((cell) => cell.level === level).map(({ path }) => path).join("")}"/>`)}
</svg></div>
${titleOfX("class that it was taken for")}`;
}
