import { numberAxis, scale, ticks, timeAxisHeight, valueTitle } from "../ui/axes.ts";
import { type Canvas, canvas } from "../ui/canvas.ts";
import { percent } from "../compute/format.ts";
import type { LayerSpikes } from "./protocol.ts";

/** The spikes of one layer: time from left to right, one row for each neuron. */
export interface Raster {
  readonly element: HTMLElement;
  show(layer: LayerSpikes, steps: number): void;
}

/** Room for the title of the vertical axis. */
const LEFT = 16;

/** `row`: what a row stands for, the vertical axis's title. */
export function raster(className: string, row: string): Raster {
  let shown: { layer: LayerSpikes; steps: number } | null = null;
  const picture = canvas(className, (brush) => {
    const { context, width, height: whole, colours } = brush;
    const height = whole - timeAxisHeight;
    const steps = shown?.steps ?? 16;
    const column = (width - LEFT) / steps;
    context.fillStyle = colours.paper;
    context.fillRect(LEFT, 0, width - LEFT, height);
    context.fillStyle = colours.grid;
    context.globalAlpha = 0.6;
    for (let t = 1; t < steps; t++) context.fillRect(Math.round(LEFT + t * column), 0, 1, height);
    context.globalAlpha = 1;
    valueTitle(brush, row, timeAxisHeight, 7);
    numberAxis(brush, scale(-0.5, steps - 0.5, LEFT, width), ticks(0, steps - 1, Math.max(1, Math.min(steps - 1, width / 60))).filter(Number.isInteger), "time step");
    if (!shown) return;
    const { spikes, shown: neurons } = shown.layer;
    const tall = height / neurons.length;
    context.fillStyle = colours.spike;
    const [markWidth, markHeight] = [Math.min(column - 1, Math.max(3, column * 0.4), 8), Math.max(1, Math.min(tall - 1, tall * 0.75))];
    for (let t = 0; t < steps; t++) {
      for (let i = 0; i < neurons.length; i++) {
        if (spikes[t * neurons.length + i]) context.fillRect(LEFT + t * column + (column - markWidth) / 2, i * tall + (tall - markHeight) / 2, markWidth, markHeight);
      }
    }
  });
  picture.describe("Spikes over time");
  return {
    element: picture.element,
    show(layer, steps) {
      shown = { layer, steps };
      picture.redraw();
      describe(picture, layer, steps);
    },
  };
}

function describe(picture: Canvas, { layer, shown, rate }: LayerSpikes, steps: number): void {
  picture.describe(`Spikes of ${shown.length} neurons of layer ${layer} over ${steps} steps: ${percent(rate)} of neurons fire at a step`);
}
