import { type Colours, colours, onColours } from "./colours.ts";
import { eachFrame, h } from "./dom.ts";

export interface Brush {
  context: CanvasRenderingContext2D;
  width: number;
  height: number;
  colours: Colours;
}

export interface Canvas {
  readonly element: HTMLCanvasElement;
  redraw(): void;
  /** What the picture says, in words and numbers. */
  describe(text: string): void;
}

/** A picture that is sharp on every screen: drawn in CSS pixels, again when its size, the screen's density or the colours change. */
export function canvas(className: string, draw: (brush: Brush) => void): Canvas {
  const element = h("canvas", { class: className, role: "img" });
  const context = element.getContext("2d")!;
  const redraw = eachFrame(() => {
    const { clientWidth: width, clientHeight: height } = element;
    if (width === 0 || height === 0) return;
    const density = devicePixelRatio;
    const [columns, rows] = [Math.round(width * density), Math.round(height * density)];
    if (element.width !== columns || element.height !== rows) Object.assign(element, { width: columns, height: rows });
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, width, height);
    draw({ context, width, height, colours: colours() });
  });
  new ResizeObserver(redraw).observe(element);
  onColours(redraw);
  return { element, redraw, describe: (text) => element.setAttribute("aria-label", text) };
}
