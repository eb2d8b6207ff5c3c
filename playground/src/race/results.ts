import type { NeuronBench } from "../../../src/bench/neuron.ts";
import { h } from "../ui/dom.ts";
import { percent } from "../compute/format.ts";
import { milliseconds, rate, times } from "./format.ts";

/** The result of a race at a glance. */
export function headline() {
  const cells = { both: h("dd", { "data-figure": "both" }, "–"), forward: h("dd", { "data-figure": "forward" }, "–"), rate: h("dd", { "data-figure": "rate" }, "–"), firing: h("dd", { "data-figure": "firing" }, "–") };
  const cell = (title: string, value: HTMLElement) => h("div", {}, h("dt", {}, title), value);
  const both = cell("forward + backward", cells.both);
  return {
    element: h("dl", { class: "figures" }, both, cell("forward", cells.forward), cell("fused, forward", cells.rate), cell("firing rate", cells.firing)),
    show({ steps, both: whole, forward, copyGBs, firingRate }: NeuronBench): void {
      both.querySelector("dt")!.textContent = `forward + backward, T = ${steps}`;
      cells.both.replaceChildren(times(whole.speedup), h("small", {}, "as fast"));
      cells.forward.replaceChildren(times(forward.speedup), h("small", {}, "as fast"));
      cells.rate.replaceChildren(rate(forward.GBs), h("small", {}, `copy ${rate(copyGBs)}`));
      cells.firing.textContent = percent(firingRate);
    },
    clear(): void {
      for (const each of Object.values(cells)) each.textContent = "–";
    },
  };
}

const columns = ["T", "direction", "speed-up", "fused", "step by step", "fused, GB/s", "of a copy"];

/** All numbers of the races, a pair of rows for each T. */
export function resultTable() {
  const body = h("tbody");
  const row = (bench: NeuronBench, direction: "forward" | "both"): HTMLElement => {
    const { fusedMs, stepwiseMs, speedup, GBs } = bench[direction];
    const share = `${Math.round((100 * GBs) / bench.copyGBs)} %`;
    const cells = [times(speedup), milliseconds(fusedMs), milliseconds(stepwiseMs), GBs.toPrecision(3), share].map((text) => h("td", {}, text));
    return h("tr", {}, direction === "forward" ? h("th", { scope: "rowgroup", rowspan: 2 }, String(bench.steps)) : null, h("th", { scope: "row" }, direction === "forward" ? "forward" : "+ backward"), ...cells);
  };
  const table = h("table", {}, h("caption", { class: "hidden" }, "Results"), h("thead", {}, h("tr", {}, ...columns.map((name) => h("th", { scope: "col" }, name)))), body);
  return {
    element: h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Results" }, table),
    add(bench: NeuronBench): void { body.append(row(bench, "forward"), row(bench, "both")); },
    clear(): void { body.replaceChildren(); },
  };
}
