import { FileFormatError } from "../../errors.ts";
import { elements } from "../../nn/axes.ts";
import type { Shape } from "../../nn/variable.ts";
import type { NirNode } from "./graph.ts";
import { orderOf, type Signal, toOurs } from "./layout.ts";
import type { NumberArray } from "./tree.ts";

/** Reads the fields of one node. */
export class Fields {
  readonly node: NirNode;
  readonly #file: string;

  constructor(node: NirNode, file: string) {
    this.node = node;
    this.#file = file;
  }

  /** @throws FileFormatError that names the file and the node */
  fail(what: string, cause?: unknown): never {
    throw new FileFormatError(`${this.#file}: node ${this.node.name} (${this.node.type}) ${what}`, { cause });
  }

  has(field: string): boolean {
    return field in this.node.fields;
  }

  text(field: string): string | undefined {
    const value = this.node.fields[field];
    return typeof value === "string" ? value : undefined;
  }

  array(field: string): NumberArray {
    const value = this.node.fields[field];
    if (typeof value === "string") return this.fail(`has ${field} ${JSON.stringify(value)}: expected numbers`);
    if (value.data.some(Number.isNaN)) this.fail(`has a value in ${field} that is not a number`);
    return value;
  }

  /** Integers ≥ `least`. */
  integers(field: string, least: number): number[] {
    const values = [...this.array(field).data];
    const wrong = values.find((value) => !Number.isSafeInteger(value) || value < least);
    return wrong === undefined ? values : this.fail(`has ${wrong} in ${field}: expected integers ≥ ${least}`);
  }

  integer(field: string, least: number): number {
    const values = this.integers(field, least);
    return values.length === 1 ? values[0] : this.fail(`has ${values.length} values in ${field}: expected one`);
  }

  /** One length, or one for each axis. */
  lengths(field: string, axes: number, least: number): number[] {
    const values = this.integers(field, least);
    if (values.length === 1) return Array.from({ length: axes }, () => values[0]);
    return values.length === axes ? values : this.fail(`has ${values.length} values in ${field}: expected 1 or ${axes}`);
  }

  shape(field: string): Shape {
    const shape = this.integers(field, 1);
    return shape.length > 0 ? shape : this.fail(`has an empty ${field}`);
  }

  /** Weights or biases, as f32. @throws FileFormatError for another number of axes, or values that f32 does not hold */
  weights(field: string, axes: number): { shape: Shape; data: Float32Array } {
    const { shape, data } = this.array(field);
    if (shape.length !== axes) this.fail(`has a ${field} of shape [${shape.join(", ")}]: expected ${axes} axes`);
    const values = data instanceof Float32Array ? data : Float32Array.from(data);
    return values.every(Number.isFinite) ? { shape, data: values } : this.fail(`has a value in ${field} that is not finite as a float32`);
  }

  /** The bias of so many outputs, of a node that has one. */
  bias(outputs: number): Float32Array | undefined {
    if (!this.has("bias")) return undefined;
    const { data } = this.weights("bias", 1);
    return data.length === outputs ? data : this.fail(`has a bias of ${data.length} values: expected ${outputs}`);
  }

  /** One value for each neuron of a signal, in our order; a single one is that of all. */
  perNeuron(field: string, signal: Signal): Float64Array {
    const { shape, data } = this.array(field);
    const size = elements(signal.shape);
    if (data.length === 1) return new Float64Array(size).fill(data[0]);
    if (significant(shape) !== significant(signal.shape)) this.fail(`has a ${field} of shape [${shape.join(", ")}], and an input of [${signal.shape.join(", ")}]: expected a value for each`);
    return toOurs(Float64Array.from(data), orderOf(signal));
  }
}

/** Lengths other than 1. */
const significant = (shape: Shape): string => shape.filter((length) => length !== 1).join();
