import { checkArgument, show } from "../check.ts";
import { OptionError } from "../errors.ts";
import { type Neuron, neuronKind } from "../neuron/define.ts";
import { GraphRecord } from "./building.ts";
import { type BuildContext, checkReadout, joinPath, Layer, type LayerLike, type LayerOption } from "./layer.ts";
import { Tape } from "./tape.ts";
import { Deferred, type Shape, type Variable, variableKind } from "./variable.ts";

/**
 * Layers one after the other. A function (tape, x) => y may stand for a layer.
 * @throws OptionError for what is no layer.
 */
export const sequential = (...layers: LayerLike[]): Layer => new Sequential(layers, "sequential");

export class Sequential extends Layer {
  readonly kind = "sequential";
  readonly #layers: readonly Layer[];

  /** @param what whose layers they are, for errors */
  constructor(layers: readonly LayerLike[], what: string) {
    super();
    this.#layers = layers.map((layer, i) => asLayer(layer, `${what}: layer ${i}`));
  }

  override layers(): Layer[] {
    return [...this.#layers];
  }

  override endsInSpikes(): boolean {
    return this.#layers.at(-1)?.endsInSpikes() ?? false;
  }

  override readableStates(): readonly string[] | undefined {
    return this.#layers.at(-1)?.readableStates();
  }

  override readsState(): string | undefined {
    return this.#layers[0]?.readsState();
  }

  protected override setUp(shape: Shape, context: BuildContext): Shape {
    return this.#layers.reduce((input, layer, i) => {
      const output = layer.build(input, { ...context, path: joinPath(context.path, i) });
      if (i > 0) checkReadout(layer, this.#layers[i - 1].readableStates());
      return output;
    }, shape);
  }

  /**
   * In evaluation, what passes from layer to layer is freed once something after it is computed; before a deferred result, with that. Training of a model with
   * `packSpikes` keeps spikes as bits from then on. What a function saw is kept: it may hold on to it.
   */
  protected override run(tape: Tape, x: Variable): Variable {
    const { training } = tape;
    if (training && !this.packsSpikes) return this.#layers.reduce((input, layer) => layer.forward(tape, input), x);
    const made = new Map<Variable, Layer>();
    const leave = (variable: Variable): void => (training ? tape.within(made.get(variable)?.name, () => variable.pack()) : variable.release());
    const kept = new Set([x]);
    const passed = [x];
    const result = this.#layers.reduce((input, layer) => {
      const y = layer.forward(tape, input);
      made.set(y, layer);
      if (layer instanceof FunctionLayer) [input, y].forEach((seen) => kept.add(seen));
      passed.push(y);
      const spent = passed.splice(0, Math.max(0, passed.findLastIndex((variable) => !(variable instanceof Deferred) || variable.computed)));
      for (const variable of spent) if (!kept.has(variable) && !passed.includes(variable)) leave(variable);
      return y;
    }, x);
    if (result instanceof Deferred) result.hold(passed.filter((variable) => !kept.has(variable) && variable !== result));
    return result;
  }
}

/** A function of a tape and a variable as a layer: it is traced once with shapes alone, which builds the layers that it calls. */
class FunctionLayer extends Layer {
  readonly kind = "function";
  readonly #body: (tape: Tape, x: Variable) => Variable;
  #layers: readonly Layer[] = [];
  #graph: readonly string[] = [];
  #states: readonly string[] | undefined;

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

  override endsInSpikes(): boolean {
    return (this.#states ?? []).length > 0;
  }

  override readableStates(): readonly string[] | undefined {
    return this.#states;
  }

  protected override setUp(shape: Shape, context: BuildContext): Shape {
    const building = new GraphRecord((layer, input, i) => layer.build(input, { ...context, path: joinPath(context.path, i) }));
    this.#layers = building.layers;
    this.#graph = building.operations;
    const tape = new Tape(context.device, { steps: 1, training: false, building });
    const result = this.#body(tape, building.begin(tape, shape));
    checkArgument(this.name, "what it returns", result, variableKind);
    building.end(result);
    this.#states = building.statesOf(result);
    return result.shape;
  }

  protected override run(tape: Tape, x: Variable): Variable {
    return this.#body(tape, x);
  }
}

/** @throws OptionError, saying what to do, for what is no layer; `what` names it. */
export function asLayer(layer: LayerLike, what: string): Layer {
  if (layer instanceof Layer) return layer;
  if (typeof layer === "function") return new FunctionLayer(layer);
  const given: unknown = layer;
  if (neuronKind.accepts(given)) throw new OptionError(`${what} is the neuron ${(given as Neuron).name}: wrap it in a layer, spiking(${(given as Neuron).name}())`);
  if (Array.isArray(given)) throw new OptionError(`${what} is a list: give its layers one by one, sequential(...layers)`);
  throw new OptionError(`${what} is ${show(given)}: expected a layer, linear(784, 10) for example, or a function (tape, x) => y`);
}
