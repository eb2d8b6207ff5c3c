import { figure, ticks, titleOfX, titleOfY } from "./figure.ts";
import { html, type Html } from "./html.ts";
import type { Point, Scale } from "./scale.ts";

export interface Series {
  name: string;
  /** `faint` stays behind the others and out of legend and read-out; `points` is a line with its points marked. */
  style: "faint" | "line" | "points";
  /** A colour of the style sheet: `train`, `test`, `run-3`. */
  colour: string;
  points: readonly Point[];
}

export interface LineChart {
  id: string;
  title: string;
  /** What the curves say, for those who do not see them. */
  description: string;
  x: Scale;
  xLabel: string;
  y: Scale;
  yLabel: string;
  yNote?: string;
  formatY: (value: number) => string;
  series: Series[];
}

/** The drawing is stretched to its box; strokes and labels are not, so one drawing serves every width. */
const extent = 1000;
const coordinate = (value: number) => Math.round(value * extent * 10) / 10;

export function lineChart(chart: LineChart): Html {
  const { id, title, x, y } = chart;
  const labels = ticks(x.ticks.map((tick) => ({ at: x(tick), label: tick.toLocaleString("en-US") })), y.ticks.map((tick) => ({ at: 1 - y(tick), label: chart.formatY(tick) })));
  const content = html`<div class="plot" data-chart="${id}">
${labels}${titleOfY(chart.yLabel)}
<svg viewBox="0 0 ${extent} ${extent}" preserveAspectRatio="none" role="img" aria-label="${chart.description}">
<clipPath id="${id}-clip"><rect width="${extent}" height="${extent}"/></clipPath>
<path class="grid" d="${y.ticks.map((tick) => `M0 ${coordinate(1 - y(tick))}h${extent}`).join("")}"/>
${chart.series.map((series) => [
  html`<path class="curve ${series.style} ${series.colour}" clip-path="url(#${id}-clip)" d="${linePath(series.points, x, y)}"/>`,
  series.style === "points" && html`<path class="dots ${series.colour}" d="${dotPath(series.points, x, y)}"/>`,
])}
</svg></div>
${titleOfX(chart.xLabel)}`;
  const legend = chart.series.filter(({ style }) => style !== "faint").map(({ name, style, colour }) => ({ name, look: `${style} ${colour}` }));
  return figure({ id, title, legend, note: chart.yNote, look: "chart", content });
}

/** What the script needs to read values off the chart. */
export function chartData({ id, x, xLabel, formatY, series }: LineChart) {
  return {
    id,
    x: x.domain,
    xLabel,
    series: series
      .filter(({ style }) => style !== "faint")
      .map(({ name, colour, points }) => ({ name, colour, points: points.map(([px, py]) => [px, formatY(py)]) })),
  };
}

const isDrawn = ([px, py]: Point, x: Scale, y: Scale) => Number.isFinite(x(px)) && Number.isFinite(y(py));
const position = ([px, py]: Point, x: Scale, y: Scale) => `${coordinate(x(px))} ${coordinate(1 - y(py))}`;

/** Broken where a value is not finite. */
function linePath(points: readonly Point[], x: Scale, y: Scale): string {
  return points
    .map((point, i) => {
      if (!isDrawn(point, x, y)) return "";
      return (i > 0 && isDrawn(points[i - 1], x, y) ? "L" : "M") + position(point, x, y);
    })
    .join("");
}

/** Strokes of no length: their round caps stay round however the drawing is stretched. */
const dotPath = (points: readonly Point[], x: Scale, y: Scale) =>
  points.map((point) => (isDrawn(point, x, y) ? `M${position(point, x, y)}h0` : "")).join("");
