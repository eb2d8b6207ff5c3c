import { h } from "../ui/dom.ts";
import { raster } from "./raster.ts";
import type { Look } from "./protocol.ts";

/** The class whose neuron fired most, the first of several; null if none fired. */
export const answerOf = (counts: ArrayLike<number>): number | null => {
  const most = Math.max(...Array.from(counts));
  return most > 0 ? Array.from(counts).indexOf(most) : null;
};

/** The output neurons: their spikes over time, and beside each how often it fired. */
export function outputs(): { element: HTMLElement; show(look: Look): void; clear(): void } {
  const spikes = raster("spikes output", "class");
  const rows = Array.from({ length: 10 }, (_, digit) => {
    const bar = h("span", { class: "bar" });
    const value = h("output", {}, "–");
    return { bar, value, element: h("li", {}, h("b", {}, String(digit)), bar, value) };
  });
  const total = h("span", { class: "key none" }, "class: spikes of its neuron");
  const answer = h("p", { class: "answer" }, "–");
  const detail = h("p", { class: "message" }, "");
  const set = (digit: number, count: number | null, share: number, best: boolean): void => {
    const { bar, value, element } = rows[digit];
    bar.style.setProperty("--share", String(share));
    value.textContent = count === null ? "–" : String(count);
    element.classList.toggle("best", best);
    element.dataset.count = String(count ?? "");
  };
  return {
    element: h("div", { class: "outputs" },
      h("figure", {}, h("figcaption", {}, h("b", {}, "Output"), total),
        h("div", { class: "out-rows" }, h("ol", { class: "scores", "aria-label": "Spikes of each digit's neuron" }, ...rows.map(({ element }) => element)), spikes.element)),
      h("div", { class: "verdict" }, answer, detail)),
    show({ layers, counts, steps, label, milliseconds }) {
      spikes.show(layers.at(-1)!, steps);
      const best = answerOf(counts);
      counts.forEach((count, digit) => set(digit, count, count / steps, digit === best));
      total.textContent = `class: spikes of its neuron in ${steps} steps`;
      answer.textContent = best === null ? "–" : String(best);
      answer.classList.toggle("wrong", label !== null && label !== best);
      const verdict = best === null ? "no output neuron fired · " : label === null ? "" : label === best ? "right · " : `the label says ${label} · `;
      detail.textContent = `${verdict}${milliseconds < 10 ? milliseconds.toFixed(1) : milliseconds.toFixed(0)} ms`;
    },
    clear() {
      rows.forEach((_, digit) => set(digit, null, 0, false));
      answer.textContent = "–";
      answer.classList.remove("wrong");
      detail.textContent = "Draw a digit: a network that was trained before reads it.";
    },
  };
}
