import { checkReadout, type Layer } from "./layer.ts";
import type { Building } from "./operation.ts";
import type { Tape } from "./tape.ts";
import { type Shape, Variable } from "./variable.ts";

/** Writes down what a function does with its variable, in order: which layers it calls on what, and what it adds. */
export class GraphRecord implements Building {
  /** "%1 = 0(%0)": the first layer that it calls, on its variable %0. */
  readonly operations: string[] = [];
  readonly layers: Layer[] = [];
  readonly #names = new Map<Variable, string>();
  readonly #makers = new Map<Variable, Layer>();
  readonly #build: (layer: Layer, shape: Shape, index: number) => Shape;

  /** @param build builds a layer for an input of that shape and returns the shape of its output */
  constructor(build: (layer: Layer, shape: Shape, index: number) => Shape) {
    this.#build = build;
  }

  /** The variable that the function is given. */
  begin(tape: Tape, shape: Shape): Variable {
    return this.#named(new Variable(tape, { shape, time: "varying", batch: 1, requiresGradient: false }));
  }

  call(layer: Layer, x: Variable): Variable {
    if (!this.layers.includes(layer)) this.layers.push(layer);
    const index = this.layers.indexOf(layer);
    const shape = this.#build(layer, x.shape, index);
    checkReadout(layer, this.statesOf(x));
    const y = this.#note(`${index}(${this.#nameOf(x)})`, x, shape);
    this.#makers.set(y, layer);
    return y;
  }

  add(a: Variable, b: Variable): Variable {
    return this.#note(`${this.#nameOf(a)} + ${this.#nameOf(b)}`, a, a.shape);
  }

  /** The states that a read-out of a variable can have, where a layer made it. */
  statesOf(x: Variable): readonly string[] | undefined {
    return this.#makers.get(x)?.readableStates();
  }

  end(result: Variable): void {
    this.operations.push(`return ${this.#nameOf(result)}`);
  }

  #note(operation: string, { tape, time, batch }: Variable, shape: Shape): Variable {
    const result = this.#named(new Variable(tape, { shape, time, batch, requiresGradient: false }));
    this.operations.push(`${this.#nameOf(result)} = ${operation}`);
    return result;
  }

  #named(x: Variable): Variable {
    this.#names.set(x, `%${this.#names.size}`);
    return x;
  }

  #nameOf(x: Variable): string {
    return this.#names.get(x) ?? "a value from elsewhere";
  }
}
