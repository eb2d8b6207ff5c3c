import type { Brush } from "./canvas.ts";
import { format } from "./dom.ts";

/** Room at the left for the title and the numbers of the vertical axis, and around the rest. */
export const margin = { left: 52, right: 10, top: 8, bottom: 8 } as const;
export const timeAxisHeight = 18;

const FONT = '11px ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

export interface Scale {
  (value: number): number;
  readonly low: number;
  readonly high: number;
}

/** Maps [low, high] to [from, to]. */
export function scale(low: number, high: number, from: number, to: number): Scale {
  const factor = (to - from) / (high - low || 1);
  return Object.assign((value: number) => from + (value - low) * factor, { low, high });
}

/** Step t of `steps` in a picture of some width: the middle of its column. */
export const timeScale = (steps: number, width: number): Scale => scale(-0.5, steps - 0.5, margin.left, width - margin.right);

/** Round numbers between two bounds, about `count` of them. */
export function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.max(0, Math.floor(high / step + 1e-9) - first + 1) }, (_, i) => (first + i) * step);
}

/** The smallest and largest of some numbers, with some room around; at least `least` apart. */
export function extent(series: Iterable<ArrayLike<number>>, least = 1e-6): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const values of series) {
    for (let i = 0; i < values.length; i++) {
      if (!Number.isFinite(values[i])) continue;
      low = Math.min(low, values[i]);
      high = Math.max(high, values[i]);
    }
  }
  if (low > high) return [0, 1];
  const room = Math.max((high - low) * 0.06, (least - (high - low)) / 2, 1e-9);
  return [low - room, high + room];
}

/** Horizontal lines with numbers at the left. */
export function valueAxis({ context, width, colours }: Brush, y: Scale, count = 4): void {
  context.font = FONT;
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.lineWidth = 1;
  for (const value of ticks(y.low, y.high, count)) {
    const at = Math.round(y(value)) + 0.5;
    context.strokeStyle = colours.grid;
    line(context, margin.left, at, width - margin.right, at);
    context.fillStyle = colours.muted;
    context.fillText(format(Math.abs(value) < 1e-12 ? 0 : value), margin.left - 8, at);
  }
}

/** The numbers of the time steps at the bottom, and the axis's title. */
export function timeAxis(brush: Brush, steps: number): void {
  const values = ticks(0, steps - 1, Math.max(2, brush.width / 90)).filter(Number.isInteger);
  numberAxis(brush, timeScale(steps, brush.width), values, "time step");
}

/** Numbers at the bottom, and at its right end a title, for which numbers give way. */
export function numberAxis({ context, width, height, colours }: Brush, x: Scale, values: readonly number[], title: string): void {
  context.font = FONT;
  context.textBaseline = "alphabetic";
  context.fillStyle = colours.muted;
  context.textAlign = "right";
  context.fillText(title, width - margin.right, height - 4);
  const end = width - margin.right - context.measureText(title).width - 8;
  context.textAlign = "center";
  for (const value of values) {
    const text = String(value).replace("-", "−");
    if (x(value) + context.measureText(text).width / 2 < end) context.fillText(text, x(value), height - 4);
  }
}

/** The title of the vertical axis, beside it, upwards; the axis reaches down to `bottom` pixels above the picture's end. */
export function valueTitle({ context, height, colours }: Brush, title: string, bottom: number = margin.bottom, left = 10): void {
  context.save();
  context.font = FONT;
  context.fillStyle = colours.muted;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.translate(left, (margin.top + height - bottom) / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(title, 0, 0);
  context.restore();
}

export function line(context: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}
