import { nameOfScheme } from "../parallel/plan.ts";
import type { ParallelPrediction } from "../parallel/plan.ts";
import type { ParallelScheme } from "../parallel/schemes.ts";
import { html, type Html, raw } from "../train/report/html.ts";
import { logScale, type Scale } from "../train/report/scale.ts";

export interface Curves {
  title: string;
  predictions: readonly ParallelPrediction[];
  /** Where the number of chunks is best by the closed form. */
  bestChunks: number;
  /** One a line, below the picture. */
  assumptions: readonly string[];
}

const COLOURS: Readonly<Record<ParallelScheme, string>> = { data: "#4453c9", time: "#d9541e", mixed: "#2a9d8f", neurons: "#8b3fc0" };
const SCHEMES = Object.keys(COLOURS) as ParallelScheme[];
const WIDTH = 860;
const PLOT = { left: 76, top: 58, width: 560, height: 360 };
const LINE_HEIGHT = 17;

/** A picture of its own: seconds of a step over the number of GPUs, both logarithmic, a curve for each scheme. */
export function drawCurves({ title, predictions, bestChunks, assumptions }: Curves): string {
  const gpus = [...new Set(predictions.map((each) => each.gpus))].toSorted((a, b) => a - b);
  const seconds = predictions.map((each) => each.seconds);
  const ideal = predictions[0].seconds * predictions[0].gpus;
  const x = logScale(gpus[0], Math.max(gpus.at(-1)!, gpus[0] * 2));
  const y = logScale(Math.min(...seconds) / 1.3, Math.max(...seconds) * 1.3);
  const at = (count: number, value: number): string => `${round(PLOT.left + PLOT.width * x(count))} ${round(PLOT.top + PLOT.height * (1 - y(value)))}`;
  const height = PLOT.top + PLOT.height + 64 + LINE_HEIGHT * assumptions.length;
  const right = gpus.filter((count) => ideal / count >= y.domain[0]).at(-1) ?? gpus[0];
  const document = html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${title}" font-family="system-ui, sans-serif" font-size="13" fill="#1a1c22">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="24" y="30" font-size="16" font-weight="600">${title}</text>
${axes(x, y, gpus)}
<path d="M${at(gpus[0], ideal / gpus[0])}L${at(right, ideal / right)}" stroke="#979eac" stroke-dasharray="4 4" fill="none"/>
${SCHEMES.map((scheme) => curve(predictions.filter((each) => each.scheme === scheme || each.gpus === 1), COLOURS[scheme], at))}
${legend(predictions, bestChunks)}
${assumptions.map((line, i) => html`<text x="24" y="${PLOT.top + PLOT.height + 68 + LINE_HEIGHT * i}" font-size="12" fill="#646a76">${line}</text>
`)}</svg>
`;
  return document.html;
}

/** A page with the picture and its figures. */
export const curvesPage = (curves: Curves): string => html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${curves.title}</title>
<style>body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; } svg { max-width: 100%; height: auto; } table { border-collapse: collapse; } td, th { text-align: right; padding: .2rem .8rem; border-top: 1px solid #e5e3dc; font-variant-numeric: tabular-nums; } td:nth-child(2) { text-align: left; }</style></head>
<body>
${raw(drawCurves(curves))}
<table><thead><tr><th>GPUs</th><th>scheme</th><th>ms</th><th>speed-up</th><th>computing</th><th>replicas × chunks</th><th>micro-batches</th></tr></thead><tbody>
${curves.predictions.map(({ gpus, scheme, seconds, speedup, utilisation, replicas, chunks, microBatches }) => html`<tr><td>${gpus}</td><td>${nameOfScheme(scheme)}</td><td>${milliseconds(seconds)}</td><td>${speedup.toFixed(2)}</td><td>${(100 * utilisation).toFixed(0)} %</td><td>${replicas} × ${chunks}</td><td>${microBatches}</td></tr>
`)}</tbody></table>
</body></html>
`.html;

const round = (value: number): number => Math.round(value * 10) / 10;

/** Three significant digits. */
export const milliseconds = (seconds: number): string => String(Number((1000 * seconds).toPrecision(3)));

function curve(predictions: readonly ParallelPrediction[], colour: string, at: (count: number, value: number) => string): Html | undefined {
  if (predictions.length < 2) return undefined;
  const places = predictions.toSorted((a, b) => a.gpus - b.gpus).map(({ gpus, seconds }) => at(gpus, seconds));
  return html`<path d="M${places.join("L")}" stroke="${colour}" stroke-width="2" stroke-linejoin="round" fill="none"/>
<path d="${places.map((place) => `M${place}h0`).join("")}" stroke="${colour}" stroke-width="6" stroke-linecap="round" fill="none"/>`;
}

function axes(x: Scale, y: Scale, gpus: readonly number[]): Html {
  const { left, top, width, height } = PLOT;
  return html`<path d="${y.ticks.map((tick) => `M${left} ${round(top + height * (1 - y(tick)))}h${width}`).join("")}" stroke="#edebe5"/>
<rect x="${left}" y="${top}" width="${width}" height="${height}" fill="none" stroke="#b3b6bf"/>
${y.ticks.map((tick) => html`<text x="${left - 8}" y="${round(top + height * (1 - y(tick)) + 4)}" text-anchor="end" fill="#646a76">${milliseconds(tick)}</text>`)}
${gpus.map((count) => html`<text x="${round(left + width * x(count))}" y="${top + height + 18}" text-anchor="middle" fill="#646a76">${count}</text>`)}
<text x="${left + width / 2}" y="${top + height + 38}" text-anchor="middle">GPUs</text>
<text transform="translate(20 ${top + height / 2}) rotate(-90)" text-anchor="middle">milliseconds a step</text>`;
}

function legend(predictions: readonly ParallelPrediction[], bestChunks: number): Html {
  const x = PLOT.left + PLOT.width + 18;
  const shown = SCHEMES.filter((scheme) => predictions.some((each) => each.scheme === scheme && each.gpus > 1));
  const labels: Record<ParallelScheme, string> = { data: "data parallel", time: "chunks of time", mixed: "both", neurons: "neurons split" };
  const place = (i: number): number => PLOT.top + 14 + 24 * i;
  return html`${shown.map((scheme, i) => html`<path d="M${x} ${place(i)}h26" stroke="${COLOURS[scheme]}" stroke-width="3"/><text x="${x + 34}" y="${place(i) + 4}">${labels[scheme]}</text>
`)}<path d="M${x} ${place(shown.length)}h26" stroke="#979eac" stroke-dasharray="4 4"/><text x="${x + 34}" y="${place(shown.length) + 4}">one GPU’s time / GPUs</text>
${Number.isFinite(bestChunks) && html`<text x="${x}" y="${place(shown.length + 1) + 4}" fill="#646a76">√(T_s/T_c) = ${bestChunks.toPrecision(3)}</text>`}`;
}
