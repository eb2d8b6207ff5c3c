import { percent } from "../compute/format.ts";
import { line, margin, numberAxis, type Scale, scale, ticks, timeAxisHeight, valueAxis, valueTitle } from "../ui/axes.ts";
import { type Brush, canvas } from "../ui/canvas.ts";
import { h } from "../ui/dom.ts";
import { saveButtons } from "../ui/save.ts";

export interface StepPoint {
  step: number;
  loss: number;
  accuracy: number;
}

export interface CheckPoint {
  step: number;
  accuracy: number;
}

export interface Curves {
  readonly element: HTMLElement;
  readonly lastLoss: number;
  readonly lastCheck: CheckPoint | null;
  add(points: readonly StepPoint[], totalSteps: number): void;
  check(point: CheckPoint): void;
  clear(): void;
}

/** How much of the smoothed value stays at each update. */
const KEEP = 0.94;

/** Loss and accuracy over the updates: of each batch, smoothed, and on the test set. */
export function curves(): Curves {
  let steps: number[] = [];
  let total = 1;
  const loss = smoothed();
  const accuracy = smoothed();
  let checks: CheckPoint[] = [];

  const lossPlot = canvas("curve", (brush) => {
    const top = Math.max(2.4, ...loss.smooth);
    const { x, y } = frame(brush, total, Math.min(top, 12), "loss");
    drawLine(brush, brush.colours.line, 0.28, steps, loss.raw, x, y);
    drawLine(brush, brush.colours.line, 1, steps, loss.smooth, x, y);
  });
  const accuracyPlot = canvas("curve", (brush) => {
    const { x, y } = frame(brush, total, 100, "accuracy, %");
    const { context, colours } = brush;
    drawLine(brush, colours.line, 1, steps, accuracy.smooth.map((share) => 100 * share), x, y);
    drawLine(brush, colours.spike, 1, checks.map(({ step }) => step), checks.map((each) => 100 * each.accuracy), x, y);
    context.fillStyle = colours.spike;
    for (const each of checks) dot(context, x(each.step), y(100 * each.accuracy), checks.length > 60 ? 1.5 : 2.5);
  });
  const redraw = (): void => {
    lossPlot.redraw();
    accuracyPlot.redraw();
    lossPlot.describe(`Loss over ${steps.length} updates: ${at(loss.smooth).toFixed(3)} at last`);
    accuracyPlot.describe(`Accuracy over ${steps.length} updates: ${percent(at(accuracy.smooth))} of training images at last, ${percent(checks.at(-1)?.accuracy ?? NaN)} of test images`);
  };
  redraw();
  const key = (colour: string, text: string) => h("span", { class: `key ${colour}` }, text);
  return {
    element: h("div", { class: "card pair curves" },
      h("figure", {}, h("figcaption", {}, h("b", {}, "Loss"), key("line", "training batches"), saveButtons("Loss", lossPlot.element, () => [["update", "loss"], ...steps.map((step, i) => [step, loss.raw[i]])])), lossPlot.element),
      h("figure", {}, h("figcaption", {}, h("b", {}, "Accuracy"), key("line", "training"), key("spike", "test"),
        saveButtons("Accuracy", accuracyPlot.element, () => [["update", "training", "test"], ...steps.map((step, i) => [step, accuracy.raw[i], checks.find((check) => check.step === step)?.accuracy ?? ""])])), accuracyPlot.element)),
    get lastLoss() { return at(loss.smooth); },
    get lastCheck() { return checks.at(-1) ?? null; },
    add(points, totalSteps) {
      total = totalSteps;
      for (const point of points) {
        steps.push(point.step);
        loss.push(point.loss);
        accuracy.push(point.accuracy);
      }
      redraw();
    },
    check(point) {
      checks.push(point);
      redraw();
    },
    clear() {
      [steps, checks, total] = [[], [], 1];
      loss.clear();
      accuracy.clear();
      redraw();
    },
  };
}

const at = (values: readonly number[]): number => values.at(-1) ?? NaN;

/** Values and their exponential moving average, which starts as the mean of the first. */
function smoothed() {
  const raw: number[] = [];
  const smooth: number[] = [];
  return {
    raw, smooth,
    push(value: number): void {
      const keep = Math.min(KEEP, raw.length / (raw.length + 1));
      smooth.push(raw.length === 0 ? value : keep * smooth.at(-1)! + (1 - keep) * value);
      raw.push(value);
    },
    clear(): void {
      raw.length = smooth.length = 0;
    },
  };
}

/** Both axes, and the scales that belong to them. */
function frame(brush: Brush, total: number, high: number, title: string): { x: Scale; y: Scale } {
  const { width, height } = brush;
  const y = scale(0, high, height - margin.bottom - timeAxisHeight, margin.top);
  const x = scale(0, total, margin.left, width - margin.right);
  valueAxis(brush, y, 4);
  valueTitle(brush, title, timeAxisHeight);
  numberAxis(brush, x, total > 1 ? ticks(0, total, Math.max(2, width / 90)) : [0], "update");
  return { x, y };
}

function drawLine({ context }: Brush, colour: string, alpha: number, xs: readonly number[], ys: readonly number[], x: Scale, y: Scale): void {
  Object.assign(context, { strokeStyle: colour, globalAlpha: alpha, lineWidth: alpha < 1 ? 1 : 1.8, lineJoin: "round" });
  context.beginPath();
  for (let i = 0; i < xs.length; i++) context.lineTo(x(xs[i]), y(Math.min(Math.max(ys[i], y.low), y.high)));
  context.stroke();
  context.globalAlpha = 1;
  if (xs.length === 1) line(context, x(xs[0]) - 1, y(ys[0]), x(xs[0]) + 1, y(ys[0]));
}

function dot(context: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fill();
}
