import type { WebGpuContext } from "../context.ts";
import { doubleFloat } from "./doubleFloat.ts";
import { bindingsOf, bitsOf, elementKernel, type Kernel, paramsOf, type Work } from "./work.ts";

/** Threads of a workgroup that adds the partial sums of a column. */
export const TREE = 64;
/** Up to so many values are added by one thread. */
const FEW = 32;
/** What a thread adds at least, where columns are split into blocks of rows. */
const BLOCK_ROWS = 8;
const MAX_BLOCKS = 4096;
/** Threads that keep a GPU busy, and more than it needs. */
const BUSY = 1 << 14;
const PLENTY = 1 << 15;

/** Terms of a thread's partial sum, and rows of a block on the cpu device: few enough that f32 holds it well. */
const PART_TERMS = 128;

/** Sums over blocks of rows: block b of a column begins at row b · jump / columns and takes every step-th value, within its span. */
const columnSums = (label: string, inputs: readonly string[], term: string): Kernel => elementKernel({
  label,
  params: "columns: u32, values: u32, jump: u32, step: u32, span: u32, scale: f32",
  inputs,
  outputs: ["sums"],
  body: `  let first = i / p.columns * p.jump + i % p.columns;
  let end = min(p.values, first + p.span);
  var sum = 0.0;
  for (var j = first; j < end;) {
    var part = 0.0;
    for (var k = 0u; k < ${PART_TERMS} && j < end; k++) {
      part += ${term};
      j += p.step;
    }
    sum += part;
  }
  sums[i] = p.scale * sum;`,
});

const sumKernel = columnSums("column sums", ["x"], "x[j]");
const dotKernel = columnSums("column dots", ["x", "y"], "x[j] * y[j]");

/** Adds partial sums in their order, with twice f32's digits: the order of many terms in few blocks is then all but forgotten. */
const carefulSumKernel = elementKernel({
  label: "careful sums",
  params: "blocks: u32, scale: f32",
  inputs: ["partials"],
  outputs: ["sums"],
  functions: doubleFloat,
  body: `  var sum = vec2f();
  for (var block = 0u; block < p.blocks; block++) { sum = sum2(sum, vec2f(partials[block * p.size + i], 0.0)); }
  sums[i] = p.scale * sum.x;`,
});

/** WGSL that leaves in `total(value, thread)` the sum of all threads' values of a workgroup, added in a fixed order. */
const TREE_SUM = `var<workgroup> parts: array<f32, ${TREE}>;
fn total(value: f32, thread: u32) -> f32 {
  parts[thread] = value;
  workgroupBarrier();
  for (var reach = ${TREE / 2}u; reach > 0; reach /= 2) {
    if (thread < reach) { parts[thread] += parts[thread + reach]; }
    workgroupBarrier();
  }
  let sum = parts[0];
  workgroupBarrier();
  return sum;
}`;

/** A kernel with one workgroup of `TREE` threads for each column. */
export function columnKernel(label: string, params: string, inputs: readonly string[], outputs: readonly string[], body: string, functions = ""): Kernel {
  const code = `${paramsOf(`row: u32, columns: u32, ${params}`)}
${bindingsOf(inputs, outputs)}
${TREE_SUM}
${functions}
@compute @workgroup_size(${TREE})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let column = group.y * p.row + group.x;
  if (column >= p.columns) { return; }
${body}
}
`;
  return { label, code };
}

const mergeKernel = columnKernel("merge sums", "blocks: u32, scale: f32", ["partials"], ["sums"], `  var own = 0.0;
  for (var block = thread; block < p.blocks; block += ${TREE}) { own += partials[block * p.columns + column]; }
  let sum = total(own, thread);
  if (thread == 0) { sums[column] = p.scale * sum; }`);

/** How many blocks of rows the sums over rows of [rows, columns] are split into: about as many as a block has rows, more where columns are few. */
export function blocksOf(rows: number, columns: number): number {
  if (rows <= FEW) return 1;
  const balanced = Math.max(Math.ceil(Math.sqrt(rows)), Math.floor(BUSY / columns));
  return Math.min(balanced, MAX_BLOCKS, Math.ceil(rows / BLOCK_ROWS), Math.max(1, Math.floor(PLENTY / columns)));
}

/** Blocks of rows whose sums are added in a second pass. */
const partialBlocks = ({ software }: WebGpuContext, rows: number, columns: number): number => (software ? Math.ceil(rows / PART_TERMS) : blocksOf(rows, columns));

/** Bytes of the partial sums of [rows, columns]. */
export function partialBytes(device: WebGpuContext, rows: number, columns: number): number {
  const blocks = partialBlocks(device, rows, columns);
  return blocks === 1 ? 0 : 4 * blocks * columns;
}

/**
 * Adds kernels that write `scale` times the sums over rows of x [rows, columns], or of x · y, to `sums` [columns]. On a GPU, rows are dealt out to blocks so that
 * adjoining threads read adjoining values. Software has nothing to gain by that and takes the blocks of the cpu device, so that it learns the same to the bit.
 */
export function sumRows(work: Work, x: GPUBuffer, y: GPUBuffer | undefined, sums: GPUBuffer, rows: number, columns: number, scale = 1): void {
  const { software } = work.device;
  const values = rows * columns;
  const blocks = partialBlocks(work.device, rows, columns);
  const [kernel, inputs] = y ? [dotKernel, [x, y]] : [sumKernel, [x]];
  const partial = (factor: number, target: GPUBuffer): void => work.perElement(kernel, blocks * columns, software
    ? [columns, values, PART_TERMS * columns, columns, PART_TERMS * columns, bitsOf(factor)]
    : [columns, values, columns, blocks * columns, values, bitsOf(factor)], [...inputs, target]);
  if (blocks === 1) return partial(scale, sums);
  const partials = work.bind(work.scratch([blocks, columns]));
  partial(1, partials);
  if (software || blocks <= FEW) work.perElement(carefulSumKernel, columns, [blocks, bitsOf(scale)], [partials, sums]);
  else work.perGroup(mergeKernel, columns, [blocks, bitsOf(scale)], [partials, sums]);
}
