import { type Canvas, canvas } from "../ui/canvas.ts";
import { percent } from "../compute/format.ts";
import type { LayerSpikes } from "./protocol.ts";

/** The spikes of one layer: time from left to right, one row for each neuron. */
export interface Raster {
  readonly element: HTMLElement;
  show(layer: LayerSpikes, steps: number): void;
}

export function raster(className: string): Raster {
  let shown: { layer: LayerSpikes; steps: number } | null = null;
  const picture = canvas(className, ({ context, width, height, colours }) => {
    context.fillStyle = colours.grid;
    context.globalAlpha = 0.6;
    const steps = shown?.steps ?? 16;
    for (let t = 1; t < steps; t++) context.fillRect(Math.round((t * width) / steps), 0, 1, height);
    context.globalAlpha = 1;
    if (!shown) return;
    const { spikes, shown: neurons } = shown.layer;
    const [column, row] = [width / steps, height / neurons.length];
    context.fillStyle = colours.spike;
    const [mark, tall] = [Math.min(column - 1, Math.max(3, column * 0.4), 8), Math.max(1, Math.min(row - 1, row * 0.75))];
    for (let t = 0; t < steps; t++) {
      for (let i = 0; i < neurons.length; i++) {
        if (spikes[t * neurons.length + i]) context.fillRect(t * column + (column - mark) / 2, i * row + (row - tall) / 2, mark, tall);
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
