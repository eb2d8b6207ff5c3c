import { checkOptions, either, func, object } from "../check.ts";
import { OptionError, ShapeError } from "../errors.ts";
import { neuronKind } from "../neuron/define.ts";
import { type BuildContext, joinPath, Layer, layerKind, type LayerLike } from "./layer.ts";
import { asLayer, Sequential } from "./sequential.ts";
import { add } from "./sum.ts";
import type { Tape } from "./tape.ts";
import { Deferred, type Shape, type Variable } from "./variable.ts";

export interface ResidualOptions {
  /** What x goes through before it is added, where the body changes the shape. Default: nothing. */
  shortcut?: LayerLike;
}

/**
 * x + body(x), or shortcut(x) + body(x); the body's layers come one after the other. A spiking layer that follows adds them in its kernel.
 * @throws OptionError without a body; at build a ShapeError if the two shapes differ.
 */
export function residual(...body: LayerLike[] | [...LayerLike[], ResidualOptions]): Layer {
  const last = body[body.length - 1];
  const hasOptions = object.accepts(last) && !(last instanceof Layer) && !neuronKind.accepts(last);
  const layers = (hasOptions ? body.slice(0, -1) : body) as LayerLike[];
  if (layers.length === 0) throw new OptionError("residual(...body) needs at least one layer");
  if (hasOptions) checkOptions<ResidualOptions>("residual", last as ResidualOptions, { shortcut: either(layerKind, func) });
  return new Residual(new Sequential(layers, "residual"), hasOptions ? (last as ResidualOptions).shortcut : undefined);
}

class Residual extends Layer {
  readonly kind = "residual";
  readonly #body: Layer;
  readonly #shortcut: Layer | undefined;

  constructor(body: Layer, shortcut: LayerLike | undefined) {
    super();
    this.#body = body;
    this.#shortcut = shortcut && asLayer(shortcut, "residual: shortcut");
  }

  override layers(): Layer[] {
    return this.#shortcut ? [this.#body, this.#shortcut] : [this.#body];
  }

  override endsInSpikes(): boolean {
    return this.#body.endsInSpikes();
  }

  override readableStates(): readonly string[] {
    return [];
  }

  protected override setUp(shape: Shape, context: BuildContext): Shape {
    const through = this.#body.build(shape, { ...context, path: joinPath(context.path, "body") });
    const past = this.#shortcut ? this.#shortcut.build(shape, { ...context, path: joinPath(context.path, "shortcut") }) : shape;
    if (past.join() !== through.join()) {
      throw new ShapeError(`${this.name}: the body turns [${shape.join(", ")}] into [${through.join(", ")}], to which [${past.join(", ")}] cannot be added; give a shortcut that makes the same shape`);
    }
    return through;
  }

  protected override run(tape: Tape, x: Variable): Variable {
    const past = this.#shortcut ? this.#shortcut.forward(tape, x) : x;
    const through = this.#body.forward(tape, x);
    const sum = add(tape, past, through, this.name);
    // Spikes that are added are needed no more, but by functions that hold on to them: in evaluation they stay.
    if (tape.training && sum instanceof Deferred) sum.hold([past, through].filter((term) => term !== x));
    return sum;
  }
}
