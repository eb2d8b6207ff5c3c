import { OptionError } from "../errors.ts";
import type { Layer } from "../nn/layer.ts";

/** What becomes of a value in a network. */
export interface Visitor<T> {
  /** Through an innermost layer. */
  layer(layer: Layer, x: T): T;
  /** `within`: the layer that adds. */
  add(a: T, b: T, within: Layer): T;
}

/**
 * Goes through a network as a pass does: sequences, residual additions and functions of a tape.
 * @throws OptionError for layers that are made of others in a way of their own.
 */
export function walk<T>(layer: Layer, x: T, visitor: Visitor<T>): T {
  const through = (inner: Layer, value: T): T => walk(inner, value, visitor);
  const [first, second] = layer.layers();
  switch (layer.kind) {
    case "sequential":
      return layer.layers().reduce((value, inner) => through(inner, value), x);
    case "residual": {
      const after = through(first, x);
      return visitor.add(second ? through(second, x) : x, after, layer);
    }
    case "function":
      return ofGraph(layer, x, through, visitor);
  }
  if (first) throw new OptionError(`${layer.name} is made of layers in a way that is not known here: build it of sequential, residual or a function of a tape`);
  return visitor.layer(layer, x);
}

/** Follows what a function calls and adds, line by line: "%1 = 0(%0)", "%2 = %1 + %0", "return %2". */
function ofGraph<T>(layer: Layer, x: T, through: (layer: Layer, x: T) => T, { add }: Visitor<T>): T {
  const inner = layer.layers();
  const values = new Map([["%0", x]]);
  const valueOf = (name: string): T => {
    const value = values.get(name);
    if (value === undefined) throw new OptionError(`${layer.name} computes with ${name}: only what layers and tape.add make of its variable can be followed`);
    return value;
  };
  for (const line of layer.options.graph as readonly string[]) {
    const [, result, index, argument, a, b] = /^(%\d+) = (?:(\d+)\((.*)\)|(.*) \+ (.*))$/.exec(line) ?? [];
    if (result === undefined) return valueOf(line.slice("return ".length));
    values.set(result, index === undefined ? add(valueOf(a), valueOf(b), layer) : through(inner[Number(index)], valueOf(argument)));
  }
  return x;
}
