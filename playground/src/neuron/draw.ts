import { extent, line, margin, numberAxis, type Scale, scale, timeAxis, timeAxisHeight, timeScale, valueAxis, valueTitle } from "../ui/axes.ts";
import type { Brush } from "../ui/canvas.ts";

/** What is drawn of a run. */
export interface Shown {
  steps: number;
  size: number;
  shown: number;
  input: Float32Array;
  states: Readonly<Record<string, Float32Array>>;
  membrane: string | null;
  potential: Float32Array;
  threshold: Float32Array;
  spikes: Uint8Array;
  gradient: Float32Array;
}

export const stateColours = ["line", "second", "third"] as const;

export const spikesAt = ({ spikes, size }: Shown, t: number, n: number): boolean => spikes[t * size + n] === 1;

const area = ({ height }: Brush, values: Iterable<ArrayLike<number>>, least?: number, bottom: number = margin.bottom): Scale => scale(...extent(values, least), height - bottom, margin.top);

function curve({ context }: Brush, x: Scale, y: Scale, values: ArrayLike<number>): void {
  context.beginPath();
  for (let t = 0; t < values.length; t++) context.lineTo(x(t), y(values[t]));
  context.stroke();
}

/** States after each step; where the neuron fires, the membrane goes up to the potential that crossed the threshold, and down to its reset. */
export function drawMembrane(brush: Brush, run: Shown): void {
  const { context, width, height, colours } = brush;
  const { steps, states, membrane, potential, threshold, shown } = run;
  const x = timeScale(steps, width);
  const fired = Array.from({ length: steps }, (_, t) => t).filter((t) => spikesAt(run, t, shown));
  const y = area(brush, [...Object.values(states), threshold, fired.map((t) => potential[t])], 0, margin.bottom + timeAxisHeight);
  valueAxis(brush, y);
  valueTitle(brush, "state", timeAxisHeight);
  timeAxis(brush, steps);

  context.save();
  context.beginPath();
  context.rect(margin.left, 0, width - margin.left - margin.right, height - timeAxisHeight);
  context.clip();
  context.lineJoin = "round";
  context.strokeStyle = colours.muted;
  context.lineWidth = 1;
  context.setLineDash([5, 4]);
  curve(brush, x, y, threshold);
  context.setLineDash([]);
  Object.entries(states).toReversed().forEach(([name, values]) => {
    const index = Object.keys(states).indexOf(name);
    context.strokeStyle = colours[stateColours[Math.min(index, 2)]];
    context.lineWidth = name === membrane ? 1.75 : 1.25;
    context.beginPath();
    for (let t = 0; t < steps; t++) {
      if (name === membrane && spikesAt(run, t, shown)) context.lineTo(x(t), y(potential[t]));
      context.lineTo(x(t), y(values[t]));
    }
    context.stroke();
  });
  context.fillStyle = colours.spike;
  for (const t of fired) {
    context.beginPath();
    context.arc(x(t), y(potential[t]), 3.2, 0, 2 * Math.PI);
    context.fill();
  }
  context.restore();
}

export function drawInput(brush: Brush, { steps, input }: Shown): void {
  const y = area(brush, [input, [0]], 0.1);
  valueAxis(brush, y, 2);
  valueTitle(brush, "input");
  brush.context.strokeStyle = brush.colours.muted;
  brush.context.lineWidth = 1.25;
  brush.context.lineJoin = "round";
  curve(brush, timeScale(steps, brush.width), y, input);
}

const RATE_HEIGHT = 34;

/** Row n of the raster at a height of the picture. */
export const rowAt = ({ size }: Shown, y: number, height: number): number =>
  Math.max(0, Math.min(size - 1, Math.floor(((y - margin.top) / (height - margin.top - RATE_HEIGHT - timeAxisHeight)) * size)));

/** A row for each neuron, a mark for each spike; below, the share of neurons that fire. */
export function drawRaster(brush: Brush, run: Shown): void {
  const { context, width, height, colours } = brush;
  const { steps, size, shown } = run;
  const x = timeScale(steps, width);
  const bottom = height - RATE_HEIGHT - timeAxisHeight;
  const row = (bottom - margin.top) / size;
  const column = x(1) - x(0);
  const mark = Math.max(1, Math.min(3, column * 0.6));
  timeAxis(brush, steps);
  valueTitle(brush, "neuron", RATE_HEIGHT + timeAxisHeight);
  for (const n of [0, size - 1]) neuronNumber(brush, n, margin.top + (n + 0.5) * row);

  context.fillStyle = colours.grid;
  context.fillRect(margin.left, margin.top + shown * row - 0.5, width - margin.left - margin.right, row + 1);
  context.fillStyle = colours.ink;
  context.beginPath();
  const middle = margin.top + (shown + 0.5) * row;
  context.moveTo(margin.left - 3, middle);
  context.lineTo(margin.left - 9, middle - 4);
  context.lineTo(margin.left - 9, middle + 4);
  context.fill();

  context.fillStyle = colours.spike;
  context.beginPath();
  const counts = new Float32Array(steps);
  for (let t = 0; t < steps; t++) {
    for (let n = 0; n < size; n++) {
      if (!spikesAt(run, t, n)) continue;
      counts[t]++;
      context.rect(x(t) - mark / 2, margin.top + n * row, mark, Math.max(1, row * 0.85));
    }
  }
  context.fill();

  const base = height - timeAxisHeight - 2;
  context.globalAlpha = 0.55;
  context.beginPath();
  for (let t = 0; t < steps; t++) {
    const rise = (counts[t] / size) * (RATE_HEIGHT - 8);
    context.rect(x(t) - column / 2, base - rise, column, rise);
  }
  context.fill();
  context.globalAlpha = 1;
  context.strokeStyle = colours.rule;
  line(context, margin.left, base + 0.5, width - margin.right, base + 0.5);
}

function neuronNumber({ context, colours }: Brush, n: number, y: number): void {
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.fillStyle = colours.muted;
  context.fillText(String(n), margin.left - 12, y);
}

export function drawGradient(brush: Brush, { steps, gradient }: Shown): void {
  const { context, width, colours } = brush;
  const x = timeScale(steps, width);
  const y = area(brush, [gradient, [0]], 0.01, margin.bottom + timeAxisHeight);
  valueAxis(brush, y, 2);
  valueTitle(brush, "gradient", timeAxisHeight);
  timeAxis(brush, steps);
  const column = Math.max(1, (x(1) - x(0)) * 0.7);
  context.fillStyle = colours.line;
  context.beginPath();
  for (let t = 0; t < steps; t++) {
    const value = Number.isFinite(gradient[t]) ? gradient[t] : 0;
    context.rect(x(t) - column / 2, Math.min(y(0), y(value)), column, Math.abs(y(value) - y(0)));
  }
  context.fill();
}

/** The derivative that stands in for the spike's, over u = potential − threshold. */
export function drawSurrogate(brush: Brush, at: Float32Array, derivative: Float32Array): void {
  const { context, width, height, colours } = brush;
  const x = scale(at[0], at[at.length - 1], margin.left, width - margin.right);
  const y = area(brush, [derivative, [0]], 0.01, margin.bottom + timeAxisHeight);
  valueAxis(brush, y, 2);
  valueTitle(brush, "derivative", timeAxisHeight);
  numberAxis(brush, x, [-2, -1, 0, 1, 2], width > 260 ? "membrane − threshold" : "u");
  context.strokeStyle = colours.rule;
  line(context, Math.round(x(0)) + 0.5, margin.top, Math.round(x(0)) + 0.5, height - timeAxisHeight - 4);
  context.strokeStyle = colours.line;
  context.lineWidth = 1.75;
  context.beginPath();
  at.forEach((u, i) => context.lineTo(x(u), y(derivative[i])));
  context.stroke();
}
