import { OptionError } from "../../errors.ts";
import { elements } from "../../nn/axes.ts";
import type { Layer } from "../../nn/layer.ts";
import type { Model } from "../../nn/model.ts";
import { pathOf } from "../../nn/structure.ts";
import type { Shape } from "../../nn/variable.ts";

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
  const visit = (layer: Layer, input: Channels): Channels => {
    const [first, second] = layer.layers();
    switch (layer.kind) {
      case "sequential":
        return layer.layers().reduce((channels, inner) => visit(inner, channels), input);
      case "residual":
        return same(layer, visit(first, input), second ? visit(second, input) : input);
      case "function":
        return ofGraph(layer, input, visit);
    }
    if (first) throw new OptionError(`${layer.name} is made of layers in a way that is not known here: its weights have no place in PyTorch's files. Build it of sequential, residual or a function of a tape`);
    const before = places.get(layer);
    if (before) same(layer, before.input, input);
    else places.set(layer, { layer, path: pathOf(layer), input });
    return { shape: layer.outputShape, map: mapAfter(layer, input) };
  };
  visit(body, { shape: inputShape });
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

function same(layer: Layer, a: Channels, b: Channels): Channels {
  if (String(a.map) !== String(b.map)) throw new OptionError(`${layer.name} gets values in two orders, of [${a.map ?? a.shape}] and of [${b.map ?? b.shape}], which PyTorch has with the channels first`);
  return a;
}

/** Follows what a function calls and adds, line by line: "%1 = 0(%0)", "%2 = %1 + %0", "return %2". */
function ofGraph(layer: Layer, input: Channels, visit: (layer: Layer, input: Channels) => Channels): Channels {
  const inner = layer.layers();
  const values = new Map([["%0", input]]);
  const valueOf = (name: string): Channels => {
    const value = values.get(name);
    if (!value) throw new OptionError(`${layer.name} computes with ${name}: in which order that is in PyTorch is not known`);
    return value;
  };
  for (const line of layer.options.graph as readonly string[]) {
    const [, result, index, argument, a, b] = /^(%\d+) = (?:(\d+)\((.*)\)|(.*) \+ (.*))$/.exec(line) ?? [];
    if (result === undefined) return valueOf(line.slice("return ".length));
    values.set(result, index === undefined ? same(layer, valueOf(a), valueOf(b)) : visit(inner[Number(index)], valueOf(argument)));
  }
  return input;
}
