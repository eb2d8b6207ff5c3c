import { canvas } from "../ui/canvas.ts";
import { h } from "../ui/dom.ts";
import { raster } from "./raster.ts";
import type { LayerSpikes } from "./protocol.ts";

/** Maps one below the other. */
const ROWS = 4;

/** Rasters of the hidden layers, one below the other, as many as there are; beside a convolution's, the maps of its channels. */
export function hiddenLayers(): { element: HTMLElement; show(layers: readonly LayerSpikes[], steps: number): void } {
  const element = h("div", { class: "hidden-layers" });
  let shown: ReturnType<typeof hiddenLayer>[] = [];
  const resize = (count: number): void => {
    if (shown.length === count) return;
    shown = Array.from({ length: count }, (_, i) => hiddenLayer(`Hidden ${i + 1}`));
    element.replaceChildren(...shown.map((each) => each.element));
  };
  resize(2);
  return {
    element,
    show(layers, steps) {
      resize(layers.length);
      layers.forEach((layer, i) => shown[i].show(layer, steps));
    },
  };
}

function hiddenLayer(title: string) {
  const spikes = raster("spikes", "neuron");
  const maps = channelMaps();
  const caption = h("figcaption", {}, h("b", {}, title));
  return {
    element: h("figure", {}, caption, h("div", { class: "layer" }, spikes.element, maps.element)),
    show(layer: LayerSpikes, steps: number): void {
      spikes.show(layer, steps);
      maps.show(layer);
      const size = layer.shape.reduce((product, length) => product * length, 1);
      const part = layer.shown.length < size ? `${layer.shown.length} of ${size}` : String(size);
      caption.replaceChildren(h("b", {}, title), h("span", { class: "key spike" }, `${part} neurons`), h("span", { class: "key none" }, `${Math.round(100 * layer.rate)} % fire`));
    },
  };
}

/** How often each neuron of each channel fired: the darker the more. */
function channelMaps() {
  let shown: LayerSpikes | null = null;
  const picture = canvas("maps", ({ context, width, colours }) => {
    if (!shown?.counts) return;
    const { counts, shape: [rows, columns, channels] } = shown;
    const most = Math.max(1, ...counts);
    const tile = width / Math.ceil(channels / ROWS);
    const unit = (tile - 2) / columns;
    for (let c = 0; c < channels; c++) {
      const [left, top] = [Math.floor(c / ROWS) * tile, (c % ROWS) * tile];
      context.globalAlpha = 1;
      context.fillStyle = colours.grid;
      context.fillRect(left, top, tile - 2, tile - 2);
      context.fillStyle = colours.spike;
      for (let i = 0; i < rows * columns; i++) {
        const count = counts[i * channels + c];
        if (count === 0) continue;
        context.globalAlpha = count / most;
        context.fillRect(left + (i % columns) * unit, top + Math.floor(i / columns) * unit, unit, unit);
      }
    }
    context.globalAlpha = 1;
  });
  picture.describe("Spikes of each channel");
  picture.element.hidden = true;
  return {
    element: picture.element,
    show(layer: LayerSpikes): void {
      shown = layer;
      const { counts, shape } = layer;
      picture.element.hidden = counts === null;
      if (counts === null) return;
      picture.element.style.setProperty("--columns", String(Math.ceil(shape[2] / ROWS)));
      picture.describe(`How often the neurons of each of the ${shape[2]} channels fired`);
      picture.redraw();
    },
  };
}
