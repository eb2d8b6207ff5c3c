import { OptionError } from "../../errors.ts";
import { elements } from "../../nn/axes.ts";
import type { Layer } from "../../nn/layer.ts";
import type { Model } from "../../nn/model.ts";
import { pathOf } from "../../nn/structure.ts";
import type { Shape } from "../../nn/variable.ts";
import { walk } from "../walk.ts";

/** An innermost layer of a model, and how the channels of its input lie. */
export interface Place {
  layer: Layer;
  /** "2", "3.body.0". */
  path: string;
  input: Channels;
}

export interface Channels {
  shape: Shape;
  /** [H, W, C] or [L, C], where the last axis is such a map flattened: PyTorch, whose channels are first, has it in another order. */
  map?: Shape;
}

/** The innermost layers, each once, in the order in which they run. */
export function placesOf({ body, inputShape }: Model): Place[] {
  const places = new Map<Layer, Place>();
  walk<Channels>(body, { shape: inputShape }, {
    layer(layer, input) {
      const before = places.get(layer);
      if (before) same(before.input, input, layer);
      else places.set(layer, { layer, path: pathOf(layer), input });
      return { shape: layer.outputShape, map: mapAfter(layer, input) };
    },
    add: same,
  });
  return [...places.values()];
}

/** Layers that take each value, or each channel, by itself: of a flattened map they give a flattened map. */
const ELEMENTWISE = new Set(["spiking", "recurrent", "dropout", "batchNorm2d", "tdBN", "tebn", "layerNorm", "rate", "spikeCount", "everyStep", "lastMembrane", "meanMembrane", "maxMembrane", "membranes"]);
const MIXING = new Set(["linear", "pooledLinear"]);

function mapAfter(layer: Layer, { shape, map }: Channels): Shape | undefined {
  if (layer.kind === "flatten" && shape.length > 1) return elements(shape.slice(0, -1)) > 1 && shape[shape.length - 1] > 1 ? shape : undefined;
  if (map === undefined || MIXING.has(layer.kind)) return undefined;
  if (layer.kind === "flatten" || ELEMENTWISE.has(layer.kind)) return map;
  throw new OptionError(`${layer.name} comes after a flatten of [${map.join(", ")}], which PyTorch has with the channels first: what this layer does with the order of its inputs is not known`);
}

function same(a: Channels, b: Channels, layer: Layer): Channels {
  if (String(a.map) !== String(b.map)) throw new OptionError(`${layer.name} gets values in two orders, of [${a.map ?? a.shape}] and of [${b.map ?? b.shape}], which PyTorch has with the channels first`);
  return a;
}
