import { GraphRecord } from "./building.ts";
import { type BuildContext, joinPath, Layer, type LayerLike, type LayerOption } from "./layer.ts";
import { Tape } from "./tape.ts";
import { Deferred, type Shape, type Variable } from "./variable.ts";

/** Layers one after the other. A function (tape, x) => y may stand for a layer. */
export const sequential = (...layers: LayerLike[]): Layer => new Sequential(layers);

class Sequential extends Layer {
  readonly kind = "sequential";
  readonly #layers: readonly Layer[];

  constructor(layers: readonly LayerLike[]) {
    super();
    this.#layers = layers.map(asLayer);
  }

  override layers(): Layer[] {
    return [...this.#layers];
  }

  protected override setUp(shape: Shape, context: BuildContext): Shape {
    return this.#layers.reduce((input, layer, i) => layer.build(input, { ...context, path: joinPath(context.path, i) }), shape);
  }

  /**
   * In evaluation, what passes from layer to layer is freed once its successor is computed (inside a residual block, by the tape). What a function saw is kept: it may hold on to it.
   */
  protected override run(tape: Tape, x: Variable): Variable {
    const kept = new Set([x]);
    let passed: Variable[] = [];
    return this.#layers.reduce((input, layer) => {
      const y = layer.forward(tape, input);
      if (tape.training) return y;
      if (layer instanceof FunctionLayer) [input, y].forEach((seen) => kept.add(seen));
      passed.push(input);
      if (y instanceof Deferred && !y.computed) return y;
      for (const variable of passed) if (!kept.has(variable) && variable !== y) variable.release();
      passed = [];
      return y;
    }, x);
  }
}

/** A function of a tape and a variable as a layer: it is traced once with shapes alone, which builds the layers that it calls. */
class FunctionLayer extends Layer {
  readonly kind = "function";
  readonly #body: (tape: Tape, x: Variable) => Variable;
  #layers: readonly Layer[] = [];
  #graph: readonly string[] = [];

  constructor(body: (tape: Tape, x: Variable) => Variable) {
    super();
    this.#body = body;
  }

  override get description(): string {
    return this.#body.name || this.kind;
  }

  override get options(): Readonly<Record<string, LayerOption>> {
    return { graph: this.#graph };
  }

  override layers(): Layer[] {
    return [...this.#layers];
  }

  protected override setUp(shape: Shape, context: BuildContext): Shape {
    const building = new GraphRecord((layer, input, i) => layer.build(input, { ...context, path: joinPath(context.path, i) }));
    this.#layers = building.layers;
    this.#graph = building.operations;
    const tape = new Tape(context.device, { steps: 1, training: false, building });
    const result = this.#body(tape, building.begin(tape, shape));
    building.end(result);
    return result.shape;
  }

  protected override run(tape: Tape, x: Variable): Variable {
    return this.#body(tape, x);
  }
}

export const asLayer = (layer: LayerLike): Layer => (typeof layer === "function" ? new FunctionLayer(layer) : layer);
