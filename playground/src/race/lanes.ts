import { ticks } from "../ui/axes.ts";
import { type Brush, canvas } from "../ui/canvas.ts";
import type { Contestant } from "../../../src/bench/neuron.ts";
import { milliseconds } from "./format.ts";
import type { Lap } from "./protocol.ts";

/** Seconds on screen of what takes longest. */
const SECONDS = 5;

interface Lane {
  title: string;
  /** What its time is. */
  time: Contestant;
  /** What it consists of, in proportion. */
  parts: readonly Contestant[];
  fused: boolean;
}

const lanes: readonly Lane[] = [
  { title: "fused", time: "forward", parts: ["forward"], fused: true },
  { title: "step by step", time: "stepwiseForward", parts: ["stepwiseForward"], fused: false },
  { title: "fused", time: "both", parts: ["forward", "backward"], fused: true },
  { title: "step by step", time: "stepwiseBoth", parts: ["stepwiseForward", "stepwiseBackward"], fused: false },
];

export interface Lanes {
  readonly element: HTMLElement;
  /** How many times slower than measured the race is shown, or null. */
  readonly slowness: number | null;
  /** Empties the lanes for a race over T steps. */
  ready(steps: number): void;
  /** The times of one more repetition. */
  add(lap: Lap): void;
  /** Shows the race once more, from the start to its end. */
  replay(): void;
}

/** Two races, forward and forward with backward, as bars that grow in proportion to the medians of the measured times. */
export function raceLanes(): Lanes {
  let laps: Lap[] = [];
  let steps = 32;
  let start = 0;
  /** The race runs again and again while it is measured. */
  let loops = true;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const picture = canvas("lanes", draw);

  function animate(): void {
    if (laps.length === 0) return;
    picture.redraw();
    if (!still.matches && (loops || seconds() < SECONDS) && picture.element.clientWidth > 0) requestAnimationFrame(animate);
  }
  const seconds = (): number => (performance.now() - start) / 1000;

  function draw({ context, width, height, colours }: Brush): void {
    const axis = 20;
    const [left, right] = [width < 480 ? 84 : 104, 62];
    const group = (height - axis) / 2;
    const bar = Math.min(28, group / 2 - 16);
    const times = laps.length === 0 ? null : medians(laps);
    const longest = times === null ? 1 : longestOf(times);
    const x = (time: number): number => left + (time / longest) * (width - left - right);
    const passed = still.matches ? 1 : Math.min(1, loops ? (seconds() % (SECONDS + 0.8)) / SECONDS : seconds() / SECONDS);
    const now = times === null ? 0 : passed * longest;

    context.font = "12px ui-sans-serif, system-ui, sans-serif";
    context.textBaseline = "middle";
    for (const value of times === null ? [] : ticks(0, longest, Math.max(2, width / 140))) {
      context.fillStyle = colours.grid;
      context.fillRect(Math.round(x(value)), 0, 1, height - axis);
      context.fillStyle = colours.muted;
      context.textAlign = "center";
      context.fillText(`${Number(value.toPrecision(6))}${value === 0 ? " ms" : ""}`, x(value), height - axis / 2);
    }
    lanes.forEach(({ title, time, parts, fused }, i) => {
      const top = Math.floor(i / 2) * group + 20 + (i % 2) * (bar + 8);
      if (i % 2 === 0) {
        context.textAlign = "left";
        context.fillStyle = colours.ink;
        context.font = "650 12px ui-sans-serif, system-ui, sans-serif";
        context.fillText(i === 0 ? "forward" : "forward + backward", left, top - 10);
        context.font = "12px ui-sans-serif, system-ui, sans-serif";
      }
      context.textAlign = "right";
      context.fillStyle = colours.muted;
      context.fillText(title, left - 10, top + bar / 2);
      context.fillStyle = colours.grid;
      context.fillRect(left, top, width - left - right, bar);
      if (times === null) return;
      const reached = Math.min(now, times[time]);
      let from = 0;
      const sum = parts.reduce((total, part) => total + times[part], 0);
      parts.forEach((part, p) => {
        const length = (times[part] / sum) * times[time];
        context.globalAlpha = p === 0 ? 1 : 0.6;
        context.fillStyle = fused ? colours.spike : colours.line;
        const pieces = fused ? 1 : steps;
        for (let piece = 0; piece < pieces; piece++) {
          const [a, b] = [from + (piece / pieces) * length, Math.min(reached, from + ((piece + 1) / pieces) * length)];
          const gap = !fused && (x(length) - left) / pieces > 3 ? 1 : 0;
          if (b > a) context.fillRect(x(a), top, Math.max(0.5, x(b) - x(a) - gap), bar);
        }
        from += length;
      });
      context.globalAlpha = 1;
      if (now < times[time]) return;
      context.textAlign = "left";
      context.fillStyle = colours.ink;
      context.fillText(milliseconds(times[time]), x(times[time]) + 6, top + bar / 2);
    });
  }

  picture.describe("The race has not begun");
  return {
    element: picture.element,
    get slowness() { return laps.length === 0 || still.matches ? null : (1000 * SECONDS) / longestOf(medians(laps)); },
    ready(next) {
      [laps, steps, loops] = [[], next, true];
      picture.redraw();
    },
    add(lap) {
      laps.push(lap);
      const times = medians(laps);
      picture.describe(lanes.map(({ title, time }, i) => `${i < 2 ? "Forward" : "Forward and backward"}, ${title}: ${milliseconds(times[time])}`).join(". "));
      if (laps.length > 1) return;
      start = performance.now();
      animate();
    },
    replay() {
      [loops, start] = [false, performance.now()];
      animate();
    },
  };
}

const longestOf = (times: Lap): number => Math.max(...lanes.map(({ time }) => times[time]));

function medians(laps: readonly Lap[]): Lap {
  const middle = (values: number[]): number => {
    const sorted = values.sort((a, b) => a - b);
    return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
  };
  return Object.fromEntries((Object.keys(laps[0]) as Contestant[]).map((name) => [name, middle(laps.map((lap) => lap[name]))])) as Lap;
}
