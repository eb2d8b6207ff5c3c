import { encodeMessage, type Message } from "./protobuf.ts";

/** Opset 17 of ONNX's own operators, intermediate representation 8 (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto): ONNX 1.12, 2022. */
export const OPSET = 17;
const IR_VERSION = 8;
const FLOAT = 1;
const INT64 = 7;

type Attribute = number | readonly number[];

/** A graph that is being written. Values are called by their names. */
export class Graph {
  readonly #nodes: Message[] = [];
  readonly #initializers = new Map<string, Message>();
  readonly #inputs: Message[] = [];
  readonly #outputs: Message[] = [];

  /** The name of an operator's result. */
  node(operator: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}, name = `${operator.toLowerCase()}_${this.#nodes.length}`): string {
    this.#nodes.push([
      ...inputs.map((input) => [1, input] as const), [2, name], [3, name], [4, operator], ...Object.entries(attributes).map(([key, value]) => [5, attribute(key, value)] as const),
    ]);
    return name;
  }

  /** A tensor of f32 that is part of the graph; one that has the name already stays. */
  floats(name: string, shape: readonly number[], data: () => Float32Array): string {
    if (!this.#initializers.has(name)) this.#initializers.set(name, tensor(name, FLOAT, shape, bytesOf(data())));
    return name;
  }

  constant(value: number): string {
    return this.floats(Object.is(value, -0) ? "-0" : String(value), [], () => Float32Array.of(value));
  }

  integers(values: readonly number[]): string {
    const name = `[${values.join(", ")}]`;
    this.#initializers.set(name, tensor(name, INT64, [values.length], bytesOf(BigInt64Array.from(values, BigInt))));
    return name;
  }

  /** @param shape without the batch, which may have any length */
  input(name: string, shape: readonly number[]): string {
    this.#inputs.push(valueInfo(name, shape));
    return name;
  }

  output(name: string, shape: readonly number[]): void {
    this.#outputs.push(valueInfo(name, shape));
  }

  /** The file. */
  encode(name: string, producer: string, metadata: Readonly<Record<string, string>>): Uint8Array {
    const graph: Message = [
      ...this.#nodes.map((node) => [1, node] as const), [2, name], ...[...this.#initializers.values()].map((each) => [5, each] as const),
      ...this.#inputs.map((each) => [11, each] as const), ...this.#outputs.map((each) => [12, each] as const),
    ];
    return encodeMessage([
      [1, IR_VERSION], [2, "spikefold"], [3, producer], [7, graph], [8, [[1, ""], [2, OPSET]]],
      ...Object.entries(metadata).map(([key, value]) => [14, [[1, key], [2, value]]] as const),
    ]);
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | BigInt64Array): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);

const tensor = (name: string, type: number, shape: readonly number[], raw: Uint8Array): Message => [...shape.map((length) => [1, length] as const), [2, type], [8, name], [9, raw]];

const valueInfo = (name: string, shape: readonly number[]): Message => {
  const dimensions = [[2, "batch"] as const, ...shape.map((length) => [1, length] as const)].map((dimension) => [1, [dimension]] as const);
  return [[1, name], [2, [[1, [[1, FLOAT], [2, dimensions]]]]]];
};

/** An integer, or a list of them. */
function attribute(name: string, value: Attribute): Message {
  return typeof value === "number" ? [[1, name], [3, value], [20, 2]] : [[1, name], ...value.map((each) => [8, each] as const), [20, 7]];
}
