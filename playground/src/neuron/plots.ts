import type { BenchResult } from "../engine/protocol.ts";
import { canvas } from "../ui/canvas.ts";
import { format, h } from "../ui/dom.ts";
import { saveButtons, type Table } from "../ui/save.ts";
import { drawGradient, drawInput, drawMembrane, drawRaster, drawSurrogate, rowAt, type Shown, spikesAt, stateColours } from "./draw.ts";
import { Cursor, type Key, timePlot } from "./timePlot.ts";

export interface Plots {
  readonly element: HTMLElement;
  show(result: BenchResult, run: { steps: number; size: number; shown: number }): void;
  /** Whether the pictures are of an earlier definition, because the present one has a mistake. */
  stale(is: boolean): void;
}

/** The pictures of a run. A click on the raster chooses the neuron that is shown. */
export function plots(choose: (neuron: number) => void): Plots {
  const cursor = new Cursor();
  let run: (Shown & { surrogate: BenchResult["surrogate"]; driven: string | undefined }) | null = null;
  const steps = (): number => run?.steps ?? 1;
  const at = (values: ArrayLike<number>): string | undefined => (cursor.t === null || cursor.t >= values.length ? undefined : format(values[cursor.t]));

  const figures = {
    membrane: timePlot({
      title: "Membrane", className: "membrane", cursor, steps, draw: (brush) => run && drawMembrane(brush, run),
      table: () => (run ? overTime(run.steps, { ...run.states, membrane_before_reset: run.potential, threshold: run.threshold, spike: spikesOf(run) }) : []),
      keys: () => (!run ? [] : [
        ...Object.entries(run.states).map(([name, values], index): Key => ({ name, colour: stateColours[Math.min(index, 2)], value: at(values) })),
        { name: "threshold", colour: "muted", dashed: true, value: at(run.threshold) },
        { name: "spike", colour: "spike" },
      ]),
      slide: {
        label: "Step", end: () => steps() - 1, now: () => cursor.t, set: (t) => { cursor.t = t; },
        text: (t) => (run ? `${Object.entries(run.states).map(([name, values]) => `${name} ${format(values[t])}`).join(", ")}${spikesAt(run, t, run.shown) ? ", spike" : ""}` : ""),
      },
    }),
    input: timePlot({
      title: "Input", className: "input", cursor, steps, draw: (brush) => run && drawInput(brush, run),
      table: () => (run ? overTime(run.steps, { [run.driven ?? "input"]: run.input }) : []),
      keys: () => (!run ? [] : [{ name: run.driven ?? "none", colour: "muted", value: at(run.input) }]),
    }),
    raster: timePlot({
      title: "64 neurons", className: "raster", cursor, steps, draw: (brush) => run && drawRaster(brush, run),
      table: () => (run ? events(run) : []),
      keys: () => (!run ? [] : [{ name: `neuron ${run.shown} shown`, colour: "ink" }, { name: "share that fires", colour: "spike", value: cursor.t === null ? undefined : `${Math.round(100 * share(run, cursor.t))} %` }]),
      pick: (y, height) => run && choose(rowAt(run, y, height)),
      slide: { label: "Neuron", end: () => (run?.size ?? 1) - 1, now: () => run?.shown ?? 0, set: choose, text: () => `${statistics(run!).count} spikes` },
    }),
    gradient: timePlot({
      title: "Gradient", className: "gradient", cursor, steps, draw: (brush) => run && drawGradient(brush, run),
      table: () => (run ? overTime(run.steps, { gradient: run.gradient }) : []),
      keys: () => (!run ? [] : [{ name: "∂(Σ spikes) / ∂x", colour: "line", value: at(run.gradient) }]),
    }),
  };
  const curve = canvas("surrogate", (brush) => run && drawSurrogate(brush, run.surrogate.at, run.surrogate.derivative));
  const surrogateName = h("span", { class: "keys" });
  const stats = new Map(["firing rate", "spikes of this neuron", "mean interval", "irregularity"].map((name) => [name, h("dd", {}, "–")]));
  const list = h("dl", { class: "figures" });
  for (const [name, value] of stats) list.append(h("div", {}, h("dt", {}, name), value));

  const element = h("div", { class: "plots" },
    list,
    h("div", { class: "card" }, figures.membrane.element, figures.input.element, figures.raster.element),
    h("div", { class: "card pair" }, figures.gradient.element, h("figure", {}, h("figcaption", {}, h("b", {}, "Surrogate"), surrogateName, saveButtons("Surrogate", curve.element, () => [["u", "derivative"], ...Array.from(run?.surrogate.at ?? [], (u, i) => [u, run!.surrogate.derivative[i]])])), curve.element)),
  );

  return {
    element,
    show(result, { steps, size, shown }) {
      run = { ...result, steps, size, shown, driven: result.neuron.inputs[0] };
      const { count, rate, interval, variation } = statistics(run);
      const values = [format(rate), String(count), interval === null ? "–" : format(interval), variation === null ? "–" : format(variation)];
      const units = ["spikes per step", `in ${steps} steps`, "steps", "CV of intervals"];
      [...stats.values()].forEach((dd, i) => dd.replaceChildren(values[i], values[i] === "–" ? "" : h("small", {}, units[i])));
      surrogateName.replaceChildren(h("span", { class: "key line" }, result.surrogate.name));
      for (const figure of Object.values(figures)) figure.redraw();
      curve.redraw();
      const name = result.neuron.name;
      figures.membrane.describe(`States of neuron ${shown}, a ${name}, over ${steps} steps: ${Object.entries(result.states).map(([state, values]) => `${state} ${range(values)}`).join(", ")}. It fires ${count} times.`);
      figures.input.describe(`Input of neuron ${shown}: ${range(result.input)}.`);
      figures.raster.describe(`Spikes of ${size} neurons over ${steps} steps: ${format(rate)} spikes per neuron and step.`);
      figures.gradient.describe(`Gradient of neuron ${shown}'s number of spikes with respect to its input at each step: ${range(result.gradient)}.`);
      curve.describe(`Surrogate gradient ${result.surrogate.name}: ${format(Math.max(...result.surrogate.derivative))} at its highest, for u from −2 to 2.`);
    },
    stale(is) { element.classList.toggle("stale", is); },
  };
}

/** A row for each step. */
const overTime = (steps: number, columns: Readonly<Record<string, ArrayLike<number>>>): Table =>
  [["step", ...Object.keys(columns)], ...Array.from({ length: steps }, (_, t) => [t, ...Object.values(columns).map((values) => values[t])])];

const spikesOf = (run: Shown): number[] => Array.from({ length: run.steps }, (_, t) => Number(spikesAt(run, t, run.shown)));

/** A row for each spike. */
const events = (run: Shown): Table =>
  [["step", "neuron"], ...Array.from(run.spikes.keys()).filter((i) => run.spikes[i] === 1).map((i) => [Math.floor(i / run.size), i % run.size])];

const range = (values: Float32Array): string => `between ${format(Math.min(...values))} and ${format(Math.max(...values))}`;

const share = (run: Shown, t: number): number => run.spikes.subarray(t * run.size, (t + 1) * run.size).reduce((sum, spike) => sum + spike, 0) / run.size;

/** Of all neurons, spikes per neuron and step; of the shown one, the number of spikes, and mean and coefficient of variation of the steps between. */
function statistics(run: Shown): { rate: number; count: number; interval: number | null; variation: number | null } {
  const times = Array.from({ length: run.steps }, (_, t) => t).filter((t) => spikesAt(run, t, run.shown));
  const intervals = times.slice(1).map((t, i) => t - times[i]);
  const mean = intervals.reduce((sum, interval) => sum + interval, 0) / intervals.length;
  const variance = intervals.reduce((sum, interval) => sum + (interval - mean) ** 2, 0) / intervals.length;
  return {
    count: times.length,
    rate: run.spikes.reduce((sum, spike) => sum + spike, 0) / run.spikes.length,
    interval: intervals.length < 1 ? null : mean,
    variation: intervals.length < 2 ? null : Math.sqrt(variance) / mean,
  };
}
