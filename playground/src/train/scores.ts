import { h } from "../ui/dom.ts";
import { raster } from "./raster.ts";
import type { Look } from "./protocol.ts";

/** The output neurons: their spikes over time, and beside each its class's score. */
export function outputs(): { element: HTMLElement; show(look: Look): void; clear(): void } {
  const spikes = raster("spikes output");
  const rows = Array.from({ length: 10 }, (_, digit) => {
    const bar = h("span", { class: "bar" });
    const value = h("output", {}, "–");
    return { bar, value, element: h("li", {}, h("b", {}, String(digit)), bar, value) };
  });
  const answer = h("p", { class: "answer" }, "–");
  const detail = h("p", { class: "message" }, "");
  const set = (digit: number, score: number, best: boolean): void => {
    const { bar, value, element } = rows[digit];
    bar.style.setProperty("--share", String(score));
    value.textContent = Number.isFinite(score) ? `${Math.round(100 * score)} %` : "–";
    element.classList.toggle("best", best);
    element.dataset.score = String(score);
  };
  return {
    element: h("div", { class: "outputs" },
      h("figure", {}, h("figcaption", {}, h("b", {}, "Output"), h("span", { class: "key spike" }, "spikes")),
        h("div", { class: "out-rows" }, h("ol", { class: "scores", "aria-label": "Score of each digit" }, ...rows.map(({ element }) => element)), spikes.element)),
      h("div", { class: "verdict" }, answer, detail)),
    show({ layers, scores, steps, label, milliseconds }) {
      spikes.show(layers.at(-1)!, steps);
      const best = scores.indexOf(Math.max(...scores));
      scores.forEach((score, digit) => set(digit, score, digit === best));
      answer.textContent = String(best);
      answer.classList.toggle("wrong", label !== null && label !== best);
      detail.textContent = `${label === null ? "" : label === best ? "right · " : `the label says ${label} · `}${milliseconds < 10 ? milliseconds.toFixed(1) : milliseconds.toFixed(0)} ms`;
    },
    clear() {
      rows.forEach((_, digit) => set(digit, NaN, false));
      answer.textContent = "–";
      answer.classList.remove("wrong");
      detail.textContent = "Start a training or load weights, then draw.";
    },
  };
}
