import { line, margin, timeScale } from "../ui/axes.ts";
import { type Brush, canvas } from "../ui/canvas.ts";
import { h } from "../ui/dom.ts";

/** The time step under the pointer, which all plots over time mark. */
export class Cursor {
  #t: number | null = null;
  readonly #listeners = new Set<() => void>();

  get t(): number | null { return this.#t; }

  set t(t: number | null) {
    if (t === this.#t) return;
    this.#t = t;
    for (const listener of this.#listeners) listener();
  }

  subscribe(listener: () => void): void { this.#listeners.add(listener); }
}

/** What a caption says of one line of a plot. */
export interface Key {
  name: string;
  /** Of the colours in the style sheet. */
  colour: "spike" | "line" | "second" | "third" | "muted";
  dashed?: boolean;
  /** The value at the cursor. */
  value?: string;
}

export interface TimePlot {
  readonly element: HTMLElement;
  redraw(): void;
  describe(text: string): void;
}

export interface TimePlotOptions {
  title: string;
  className: string;
  cursor: Cursor;
  steps(): number;
  keys(): readonly Key[];
  draw(brush: Brush): void;
  /** A click on the picture, in its pixels. */
  pick?(y: number, height: number): void;
}

/** A figure over time: caption with keys, picture, and the cursor on it. */
export function timePlot({ title, className, cursor, steps, keys, draw, pick }: TimePlotOptions): TimePlot {
  const legend = h("span", { class: "keys" });
  const picture = canvas(className, (brush) => {
    draw(brush);
    if (cursor.t === null || cursor.t >= steps()) return;
    const x = timeScale(steps(), brush.width)(cursor.t);
    brush.context.strokeStyle = brush.colours.muted;
    brush.context.lineWidth = 1;
    line(brush.context, x, 0, x, brush.height);
  });
  const redraw = (): void => {
    picture.redraw();
    legend.replaceChildren(...keys().map(({ name, colour, dashed, value }) =>
      h("span", { class: `key ${colour}${dashed ? " dashed" : ""}` }, name, value !== undefined && h("output", {}, value))));
  };
  const { element } = picture;
  element.addEventListener("pointermove", ({ offsetX }) => {
    const { low, high } = timeScale(steps(), 1);
    const share = (offsetX - margin.left) / (element.clientWidth - margin.left - margin.right);
    const t = Math.round(low + share * (high - low));
    cursor.t = t >= 0 && t < steps() ? t : null;
  });
  element.addEventListener("pointerleave", () => { cursor.t = null; });
  if (pick) element.addEventListener("click", ({ offsetY }) => pick(offsetY, element.clientHeight));
  cursor.subscribe(redraw);
  return { element: h("figure", {}, h("figcaption", {}, h("b", {}, title), legend), element), redraw, describe: picture.describe };
}
