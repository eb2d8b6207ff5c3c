import type { WebGpuContext } from "../context.ts";
import { addProducts, COLUMNS, component, elementType, repeat, rightFour, ROWS, storing, THREADS, widthFor } from "./block.ts";
import { sumRows } from "./reduction.ts";
import { bindingsOf, type Kernel, paramsOf, type Work } from "./work.ts";

/** The depth is split, and the parts' results added, until there are so many workgroups or a part is so short. */
const WORKGROUPS = 256;
const PART_DEPTH = 64;
const MAX_PARTIAL_BYTES = 1 << 26;

interface Variant {
  /** The left factor lies in memory as [depth, rows]. */
  transposed: boolean;
  /** Rows of the left (right) factor in memory have a multiple of four values. */
  leftFours: boolean;
  rightFours: boolean;
}

/** WGSL of the sums over `k`. A left factor in order has four values at a time along the depth, a transposed one along the rows. */
function loop({ transposed, leftFours, rightFours }: Variant): string {
  const b = (k: string): string => `      let b = ${rightFour(rightFours, `(${k}) * p.columns`)};`;
  if (transposed) {
    const load = leftFours
      ? repeat(ROWS / 4, (i) => `    let a${i} = left[(k * p.rows + min(first + ${4 * i}, p.rows - 4)) / 4];`)
      : repeat(ROWS, (i) => `    let a${i} = left[k * p.rows + min(first + ${i}, p.rows - 1)];`);
    return `  for (var k = begin; k < end; k++) {
${load}
${b("k")}
${addProducts((i) => (leftFours ? `a${Math.floor(i / 4)}.${component(i)}` : `a${i}`))}
  }`;
  }
  const starts = repeat(ROWS, (i) => `  let row${i} = min(first + ${i}, p.rows - 1) * p.depth;`);
  const load = repeat(ROWS, (i) => `    let a${i} = left[(row${i} + k)${leftFours ? " / 4" : ""}];`);
  const depths = leftFours
    ? repeat(4, (u) => `    {\n${b(`k + ${u}`)}\n${addProducts((i) => `a${i}.${component(u)}`)}\n    }`)
    : `${b("k")}\n${addProducts((i) => `a${i}`)}`;
  return `${starts}
  for (var k = begin; k < end; k += ${leftFours ? 4 : 1}) {
${load}
${depths}
  }`;
}

function productKernel(variant: Variant): Kernel {
  const { transposed, leftFours, rightFours } = variant;
  const [left, right] = [elementType(leftFours), elementType(rightFours)];
  const code = `${paramsOf("row: u32, groups: u32, rows: u32, columns: u32, depth: u32, partDepth: u32, rowTiles: u32, columnTiles: u32, tileWidth: u32, biased: u32")}
${bindingsOf([`left: ${left}`, `right: ${right}`, `bias: ${right}`], [`result: ${right}`])}
${storing(rightFours)}

@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let place = group.y * p.row + group.x;
  let part = place / (p.rowTiles * p.columnTiles);
  let first = ${ROWS} * (place / p.columnTiles % p.rowTiles * (${THREADS} / p.tileWidth) + thread / p.tileWidth);
  let column = ${COLUMNS} * (place % p.columnTiles * p.tileWidth + thread % p.tileWidth);
  if (place >= p.groups || first >= p.rows || column >= p.columns) { return; }
  let begin = part * p.partDepth;
  let end = min(begin + p.partDepth, p.depth);
  // In the order of the cpu device: the bias, then the products by their depth.
  var start = vec4f();
  if (p.biased == 1 && part == 0) { start = ${rightFour(rightFours, "0").replaceAll("right[", "bias[")}; }
${repeat(ROWS, (i) => `  var sum${i} = start;`)}
${loop(variant)}
${repeat(ROWS, (i) => `  if (first + ${i} < p.rows) { store((part * p.rows + first + ${i}) * p.columns, column, sum${i}); }`)}
}
`;
  return { label: transposed ? "xᵀ · y" : "x · y", code };
}

const kernels = new Map<string, Kernel>();

function kernelFor(variant: Variant): Kernel {
  const key = JSON.stringify(variant);
  let kernel = kernels.get(key);
  if (!kernel) kernels.set(key, (kernel = productKernel(variant)));
  return kernel;
}

export interface Product {
  rows: number;
  columns: number;
  depth: number;
  /** [rows, depth], or [depth, rows] if transposed. */
  left: GPUBuffer;
  transposed?: boolean;
  /** [depth, columns] */
  right: GPUBuffer;
  /** [columns], added to each row. */
  bias?: GPUBuffer;
  /** [rows, columns] */
  result: GPUBuffer;
}

type ProductShape = Pick<Product, "rows" | "columns" | "depth">;

/** How the depth of a product is split: by its shape alone, and where there is a GPU to fill. */
export function depthParts({ software, limits }: WebGpuContext, { rows, columns, depth }: ProductShape) {
  const width = widthFor(columns);
  const [rowTiles, columnTiles] = [Math.ceil(rows / ((ROWS * THREADS) / width)), Math.ceil(columns / (COLUMNS * width))];
  const most = Math.max(1, Math.floor(Math.min(MAX_PARTIAL_BYTES, limits.bindingBytes) / (4 * rows * columns)));
  const wanted = software ? 1 : Math.min(most, Math.max(1, Math.floor(WORKGROUPS / (rowTiles * columnTiles))), Math.ceil(depth / PART_DEPTH));
  const partDepth = 4 * Math.ceil(depth / wanted / 4);
  return { width, rowTiles, columnTiles, partDepth, parts: Math.ceil(depth / partDepth) };
}

/** Adds a matrix product to the work. */
export function multiply(work: Work, { rows, columns, depth, left, transposed = false, right, bias, result }: Product): void {
  const kernel = kernelFor({ transposed, leftFours: (transposed ? rows : depth) % 4 === 0, rightFours: columns % 4 === 0 });
  const { width, rowTiles, columnTiles, partDepth, parts } = depthParts(work.device, { rows, columns, depth });
  const target = parts === 1 ? result : work.bind(work.scratch([parts, rows, columns]));
  // Where there is no bias, some buffer must still be bound.
  work.perGroup(kernel, rowTiles * columnTiles * parts, [rows, columns, depth, partDepth, rowTiles, columnTiles, width, bias ? 1 : 0], [left, right, bias ?? right, target]);
  if (parts > 1) sumRows(work, target, undefined, result, parts, rows * columns);
}
