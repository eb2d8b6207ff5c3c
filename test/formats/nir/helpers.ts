import type { NumberArray, Tree } from "../../../src/formats/nir/tree.ts";
import { type Model, Tape } from "../../../src/nn/index.ts";
import { product, uniform } from "../../nn/helpers.ts";

/** Values [T][B][C, ...rest] of samples as NIR has them → [T, B, ...rest, C] as ours. */
export function channelsLast(values: Float32Array, [channels, ...rest]: readonly number[]): Float32Array {
  const places = rest.reduce((a, b) => a * b, 1);
  const size = channels * places;
  return values.map((_, at) => {
    const [sample, j] = [Math.floor(at / size), at % size];
    return values[sample * size + (j % channels) * places + Math.floor(j / channels)];
  });
}

/** What a model puts out: [T, B, ...], or [B, ...]. */
export async function run(model: Model, steps: number, batch: number, input: Float32Array): Promise<Float32Array> {
  using x = model.device.tensor(input, [steps, batch, ...model.inputShape]);
  using tape = new Tape(model.device, { steps, training: false });
  const { value } = model.forward(tape, tape.input(x));
  return Float32Array.from(await model.device.read(value));
}

/** A data set of numbers in f64, uniform in [least, most). */
export const values = (shape: readonly number[], seed: number, least: number, most: number): NumberArray => ({ shape, data: Float64Array.from(uniform(product(shape), seed, least, most)) });
export const whole = (...lengths: number[]): NumberArray => ({ shape: [lengths.length], data: Float64Array.from(lengths), isInteger: true });
export const single = (value: number): NumberArray => ({ shape: [], data: Float64Array.of(value), isInteger: true });

/** A NIR file's tree, of nodes by name and edges "a b". */
export const treeOf = (nodes: Record<string, Record<string, Tree[string]>>, ...edges: string[]): Tree => ({ version: "1.0.7", node: graphOf(nodes, ...edges) });

export const graphOf = (nodes: Record<string, Record<string, Tree[string]>>, ...edges: string[]): Tree =>
  ({ type: "NIRGraph", nodes, edges: { shape: [edges.length, 2], texts: edges.flatMap((edge) => edge.split(" ")) } });

/** A graph of nodes one after the other. */
export function chainOf(input: readonly number[], nodes: Record<string, Record<string, Tree[string]>>, output: readonly number[]): Tree {
  const all = { input: { type: "Input", shape: whole(...input) }, ...nodes, output: { type: "Output", shape: whole(...output) } };
  const names = Object.keys(all);
  return treeOf(all, ...names.slice(1).map((name, i) => `${names[i]} ${name}`));
}
