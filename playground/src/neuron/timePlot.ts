import { line, margin, timeScale } from "../ui/axes.ts";
import { type Brush, canvas } from "../ui/canvas.ts";
import { h } from "../ui/dom.ts";
import { saveButtons, type Table } from "../ui/save.ts";

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
  colour: "spike" | "line" | "second" | "third" | "muted" | "ink";
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
  /** What the picture shows. */
  table(): Table;
  /** A click on the picture, in its pixels. */
  pick?(y: number, height: number): void;
  slide?: Slide;
}

/** What arrow keys change on a picture: a whole number from 0. */
interface Slide {
  label: string;
  end(): number;
  now(): number | null;
  set(value: number): void;
  /** What the picture shows at a value. */
  text(value: number): string;
}

/** A figure over time: caption with keys, picture, and the cursor on it. */
export function timePlot({ title, className, cursor, steps, keys, draw, table, pick, slide }: TimePlotOptions): TimePlot {
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
  if (slide) makeSlider(element, slide);
  return { element: h("figure", {}, h("figcaption", {}, h("b", {}, title), legend, saveButtons(title, element, table)), element), redraw, describe: picture.describe };
}

/** Arrow keys, Home, End, Page Up and Page Down change the value. */
function makeSlider(element: HTMLElement, { label, end, now, set, text }: Slide): void {
  element.setAttribute("role", "slider");
  element.tabIndex = 0;
  const say = (): void => {
    const value = now() ?? 0;
    for (const [name, given] of Object.entries({ valuemin: 0, valuemax: end(), valuenow: value, valuetext: `${label} ${value}: ${text(value)}` })) element.setAttribute(`aria-${name}`, String(given));
  };
  element.addEventListener("focus", say);
  element.addEventListener("keydown", (event) => {
    const value = now() ?? -1;
    const to = { ArrowRight: value + 1, ArrowDown: value + 1, ArrowLeft: value - 1, ArrowUp: value - 1, PageDown: value + 10, PageUp: value - 10, Home: 0, End: end() }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    set(Math.max(0, Math.min(end(), to)));
    say();
  });
}
