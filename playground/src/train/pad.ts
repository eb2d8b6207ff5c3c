import { canvas } from "../ui/canvas.ts";
import { h } from "../ui/dom.ts";
import { type Point, renderDigit, type Stroke } from "./digit.ts";

const SIDE = 28;
/** Width of the pen, in parts of the pad's side. */
const PEN = 2.3 / SIDE;

export interface Pad {
  readonly element: HTMLElement;
  /** What is on it as an image for the network, or null. */
  readonly image: Uint8Array | null;
  /** Shows an image of 28 × 28 bytes in place of a drawing. */
  show(image: Uint8Array): void;
  clear(): void;
}

/** A square to draw a digit on, by pointer or by keyboard. `change` is called while it is drawn on; a first stroke replaces an image. */
export function drawingPad(change: () => void): Pad {
  let strokes: Point[][] = [];
  let image: Uint8Array | null = null;
  /** The keyboard's pen. */
  const pen = { x: 0.5, y: 0.25, down: false };
  const picture = canvas("pad", ({ context, width, height, colours }) => {
    const unit = width / SIDE;
    context.fillStyle = colours.grid;
    for (let i = 4; i < SIDE; i += 4) {
      context.fillRect(Math.round(i * unit), 0, 1, height);
      context.fillRect(0, Math.round(i * unit), width, 1);
    }
    context.fillStyle = context.strokeStyle = colours.ink;
    if (image) paintImage(context, image, width);
    Object.assign(context, { lineWidth: PEN * width, lineCap: "round", lineJoin: "round" });
    for (const stroke of strokes) trace(context, stroke, width);
    if (document.activeElement === surface && surface.matches(":focus-visible")) {
      Object.assign(context, { lineWidth: 2, strokeStyle: pen.down ? colours.spike : colours.line });
      context.beginPath();
      context.arc(pen.x * width, pen.y * height, (PEN * width) / 2 + 2, 0, 7);
      context.stroke();
    }
  });
  const surface = picture.element;
  surface.setAttribute("role", "application");
  surface.setAttribute("aria-roledescription", "drawing pad");
  surface.tabIndex = 0;
  picture.describe("Draw a digit. Arrow keys move the pen, Space puts it down or lifts it, Backspace takes the last stroke back, Delete clears.");

  const changed = (): void => {
    picture.redraw();
    change();
  };
  const begin = (point: Point): void => {
    image = null;
    strokes.push([point]);
    changed();
  };
  const extend = (...points: Point[]): void => {
    strokes.at(-1)!.push(...points);
    changed();
  };
  const at = ({ clientX, clientY }: PointerEvent): Point => {
    const { left, top, width, height } = surface.getBoundingClientRect();
    const within = (value: number): number => Math.min(1, Math.max(0, value));
    return { x: within((clientX - left) / width), y: within((clientY - top) / height) };
  };

  surface.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    surface.setPointerCapture(event.pointerId);
    begin(at(event));
  });
  surface.addEventListener("pointermove", (event) => {
    if (!surface.hasPointerCapture(event.pointerId)) return;
    const each = event.getCoalescedEvents?.() ?? [];
    extend(...(each.length > 0 ? each : [event]).map(at));
  });
  surface.addEventListener("focus", picture.redraw);
  surface.addEventListener("blur", () => {
    pen.down = false;
    picture.redraw();
  });
  surface.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = keys(event.key);
    if (!act) return;
    event.preventDefault();
    act();
  });

  function keys(key: string): (() => void) | undefined {
    const arrows: Record<string, readonly [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (Object.hasOwn(arrows, key)) return () => move(...arrows[key]);
    return { " ": lower, Backspace: undo, Delete: clear }[key];
  }
  function move(dx: number, dy: number): void {
    const within = (value: number): number => Math.min(1 - 1 / SIDE, Math.max(1 / SIDE, value));
    Object.assign(pen, { x: within(pen.x + dx / SIDE), y: within(pen.y + dy / SIDE) });
    if (pen.down) extend({ x: pen.x, y: pen.y });
    else picture.redraw();
  }
  function lower(): void {
    pen.down = !pen.down;
    if (pen.down) begin({ x: pen.x, y: pen.y });
    else picture.redraw();
  }
  function undo(): void {
    pen.down = false;
    image = null;
    strokes.pop();
    changed();
  }
  function clear(): void {
    pen.down = false;
    [strokes, image] = [[], null];
    changed();
  }

  return {
    element: surface,
    get image() { return image ?? (strokes.length > 0 ? renderDigit(strokes as Stroke[]) : null); },
    show(next) {
      [strokes, image] = [[], next];
      picture.redraw();
    },
    clear,
  };
}

/** A small picture of 28 × 28 bytes. */
export function thumbnail(): { element: HTMLElement; show(image: Uint8Array | null): void } {
  let shown: Uint8Array | null = null;
  const picture = canvas("thumbnail", ({ context, width, colours }) => {
    context.fillStyle = colours.ink;
    if (shown) paintImage(context, shown, width);
  });
  picture.describe("The image as the network gets it");
  return {
    element: h("div", { class: "seen" }, picture.element, h("span", {}, "as the network gets it")),
    show(image) {
      shown = image;
      picture.redraw();
    },
  };
}

function paintImage(context: CanvasRenderingContext2D, image: Uint8Array, width: number): void {
  const unit = width / SIDE;
  for (let i = 0; i < image.length; i++) {
    if (image[i] === 0) continue;
    const [x, y] = [(i % SIDE) * unit, Math.floor(i / SIDE) * unit];
    context.globalAlpha = image[i] / 255;
    context.fillRect(x, y, unit + 0.3, unit + 0.3);
  }
  context.globalAlpha = 1;
}

function trace(context: CanvasRenderingContext2D, stroke: Stroke, width: number): void {
  context.beginPath();
  stroke.forEach(({ x, y }, i) => (i === 0 ? context.moveTo(x * width, y * width) : context.lineTo(x * width, y * width)));
  if (stroke.length === 1) context.lineTo(stroke[0].x * width, stroke[0].y * width);
  context.stroke();
}
