import type { Kernel, Work } from "./work.ts";
import { sumRows } from "./reduction.ts";
import { bindingsOf, paramsOf } from "./work.ts";

/**
 * One factor of a product left [rows, depth] · right [depth, columns], as WGSL. An element's place is worked out in two parts, one of its row (or column) and one of its
 * depth, as each is used for many elements: functions `<side>Outer(i: u32) -> vec3i`, `<side>Depth(k: u32) -> vec3i` and `<side>At(outer, depth) -> f32`.
 */
export interface Factor {
  functions: string;
  /** Along which axis memory is contiguous: adjoining threads load that way. */
  along: "outer" | "depth";
}

/** What a workgroup computes: `width` × `height` threads, each `threadRows` × 4 values of the result. */
interface Tile {
  width: number;
  height: number;
  threadRows: 4 | 8;
}

/** From the widest on; the last one that holds all columns is taken. */
const TILES: readonly Tile[] = [
  { width: 16, height: 8, threadRows: 8 },
  { width: 8, height: 32, threadRows: 4 },
  { width: 4, height: 32, threadRows: 4 },
];
const tileRows = ({ height, threadRows }: Tile): number => height * threadRows;
const tileColumns = ({ width }: Tile): number => 4 * width;

/** Depth that a workgroup holds at a time. */
const STEP = 16;
/** The depth is split, and the parts' results added, until there are so many workgroups or a part has so few steps. */
const WORKGROUPS = 256;
const PART_STEPS = 4;
const MAX_PARTIAL_BYTES = 1 << 26;

const repeat = (count: number, line: (index: number) => string): string => Array.from({ length: count }, (_, index) => line(index)).join("\n");

/** WGSL that loads a factor's part of a tile: items of four rows (or columns) at one depth. */
function loading(side: "left" | "right", { along }: Factor, fours: number, threads: number): { hoisted: string; load: string } {
  const extent = side === "left" ? "rows" : "columns";
  const items = Math.ceil((fours * STEP) / threads);
  const whole = items * threads === fours * STEP;
  const name = (item: number, part: string): string => `${side}${part}${item}`;
  const hoisted = repeat(items, (item) => `  let ${name(item, "Item")} = thread + ${item * threads}u;
  let ${name(item, "Four")} = ${name(item, "Item")} ${along === "depth" ? `/ ${STEP}u` : `% ${fours}u`};
  let ${name(item, "K")} = ${name(item, "Item")} ${along === "depth" ? `% ${STEP}u` : `/ ${fours}u`};
${repeat(4, (i) => `  let ${name(item, "Outer")}_${i} = ${side}Outer(min(${side}First + 4 * ${name(item, "Four")} + ${i}, p.${extent} - 1));`)}`);
  const load = repeat(items, (item) => {
    const guard = whole ? "" : `if (${name(item, "Item")} < ${fours * STEP}u) `;
    return `    ${guard}{
      var four = vec4f();
      let k = start + ${name(item, "K")};
      if (k < end) {
        let depth = ${side}Depth(k);
        four = vec4f(${[0, 1, 2, 3].map((i) => `${side}At(${name(item, "Outer")}_${i}, depth)`).join(", ")});
      }
      ${side}Tile[${name(item, "K")} * ${fours + 1} + ${name(item, "Four")}] = four;
    }`;
  });
  return { hoisted, load };
}

/** The kernel of one kind of product, for each tile. `params` are declared after those of the shape. */
export function productKernels(label: string, params: string, left: Factor, right: Factor): readonly Kernel[] {
  return TILES.flatMap((tile) => [false, true].map((biased) => ({ label, code: productCode(tile, params, left, right, biased) })));
}

function productCode(tile: Tile, params: string, left: Factor, right: Factor, biased: boolean): string {
  const { width, height, threadRows } = tile;
  const threads = width * height;
  const [rowFours, columnFours] = [tileRows(tile) / 4, tileColumns(tile) / 4];
  const [leftLoad, rightLoad] = [loading("left", left, rowFours, threads), loading("right", right, columnFours, threads)];
  const fours = threadRows / 4;
  return `${paramsOf(`row: u32, groups: u32, rows: u32, columns: u32, depth: u32, partDepth: u32, rowTiles: u32, columnTiles: u32, ${params}`)}
${bindingsOf(biased ? ["left", "right", "bias"] : ["left", "right"], ["result"])}
${left.functions}
${right.functions}
// A column of padding keeps threads that write one row of a tile off the same bank.
var<workgroup> leftTile: array<vec4f, ${STEP * (rowFours + 1)}>;
var<workgroup> rightTile: array<vec4f, ${STEP * (columnFours + 1)}>;

@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let place = group.y * p.row + group.x;
  if (place >= p.groups) { return; }
  let part = place / (p.rowTiles * p.columnTiles);
  let leftFirst = place / p.columnTiles % p.rowTiles * ${tileRows(tile)};
  let rightFirst = place % p.columnTiles * ${tileColumns(tile)};
  let begin = part * p.partDepth;
  let end = min(begin + p.partDepth, p.depth);
  let down = thread / ${width};
  let across = thread % ${width};
${leftLoad.hoisted}
${rightLoad.hoisted}
${repeat(threadRows, (i) => `  var sum${i} = vec4f();`)}
  for (var start = begin; start < end; start += ${STEP}) {
${leftLoad.load}
${rightLoad.load}
    workgroupBarrier();
    for (var k = 0u; k < ${STEP}; k++) {
      let b = rightTile[k * ${columnFours + 1} + across];
${repeat(fours, (i) => `      let a${i} = leftTile[k * ${rowFours + 1} + ${fours} * down + ${i}];`)}
${repeat(threadRows, (i) => `      sum${i} += a${Math.floor(i / 4)}.${"xyzw"[i % 4]} * b;`)}
    }
    workgroupBarrier();
  }
  let column = rightFirst + 4 * across;
  let first = leftFirst + ${threadRows} * down;
${repeat(threadRows, (i) => `  store(part, first + ${i}, column, sum${i});`)}
}

fn store(part: u32, row: u32, column: u32, sum: vec4f) {
  if (row >= p.rows) { return; }
  for (var i = 0u; i < 4 && column + i < p.columns; i++) {
${biased ? "    result[(part * p.rows + row) * p.columns + column + i] = sum[i] + select(0.0, bias[column + i], part == 0);" : "    result[(part * p.rows + row) * p.columns + column + i] = sum[i];"}
  }
}
`;
}

export interface Product {
  rows: number;
  columns: number;
  depth: number;
  left: GPUBuffer;
  right: GPUBuffer;
  /** [columns], added to each row. */
  bias?: GPUBuffer;
  /** [rows, columns] */
  result: GPUBuffer;
  /** The parameters of the factors. */
  words: readonly number[];
}

/** Adds a product by one of `kernels` to the work. How the depth is split depends on the shape alone. */
export function multiply(work: Work, kernels: readonly Kernel[], { rows, columns, depth, left, right, bias, result, words }: Product): void {
  const index = TILES.findLastIndex((tile, i) => i === 0 || columns <= tileColumns(tile));
  const tile = TILES[index];
  const [rowTiles, columnTiles] = [Math.ceil(rows / tileRows(tile)), Math.ceil(columns / tileColumns(tile))];
  const bytes = 4 * rows * columns;
  const most = Math.max(1, Math.floor(Math.min(MAX_PARTIAL_BYTES, work.device.limits.bindingBytes) / bytes));
  const wanted = Math.min(most, Math.max(1, Math.floor(WORKGROUPS / (rowTiles * columnTiles))), Math.ceil(depth / (STEP * PART_STEPS)));
  const partDepth = STEP * Math.ceil(depth / wanted / STEP);
  const parts = Math.ceil(depth / partDepth);
  const target = parts === 1 ? result : work.bind(work.scratch([parts, rows, columns]));
  work.perGroup(kernels[2 * index + (bias ? 1 : 0)], rowTiles * columnTiles * parts, [rows, columns, depth, partDepth, rowTiles, columnTiles, ...words], [left, right, ...(bias ? [bias] : []), target]);
  if (parts > 1) sumRows(work, target, undefined, result, parts, rows * columns);
}
