/**
 * What one thread of a product computes: ROWS × COLUMNS values of the result, in registers. A row's thread neighbours read the same values of the left factor,
 * a column's the same of the right one; caches serve them. No memory is shared by a workgroup, so threads never wait for one another.
 */
export const ROWS = 8;
export const COLUMNS = 4;
/** Threads of a workgroup. */
export const THREADS = 128;

export const repeat = (count: number, line: (index: number) => string): string => Array.from({ length: count }, (_, index) => line(index)).join("\n");

export const component = (index: number): string => "xyzw"[index % 4];

/** What an element of a factor's buffer is where rows have a multiple of four values, and otherwise. */
export const elementType = (fours: boolean): string => (fours ? "vec4f" : "f32");

/** WGSL: the sums, zero at first. */
export const SUMS = repeat(ROWS, (i) => `  var sum${i} = vec4f();`);

/** WGSL: four values of the right factor from `index` on, in the columns from `column` on. */
export const rightFour = (fours: boolean, index: string): string =>
  fours ? `right[(${index} + column) / 4]` : `vec4f(${[0, 1, 2, 3].map((i) => `right[${index} + min(column + ${i}, p.columns - 1)]`).join(", ")})`;

/** WGSL: adds the products of the values of the left factor, one per row, with `b`. */
export const addProducts = (left: (row: number) => string): string => repeat(ROWS, (i) => `      sum${i} += ${left(i)} * b;`);

/** WGSL of `store(at, column, sum)`: four values of a row that begins at `at`. */
export const storing = (fours: boolean): string => fours
  ? "fn store(at: u32, column: u32, sum: vec4f) { result[(at + column) / 4] = sum; }"
  : `fn store(at: u32, column: u32, sum: vec4f) {
${repeat(COLUMNS, (i) => `  if (column + ${i} < p.columns) { result[at + column + ${i}] = sum.${component(i)}; }`)}
}`;

/** How many threads of a workgroup lie side by side: as many as the columns need, up to 64 columns. */
export function widthFor(columns: number): number {
  let width = 16;
  while (width > 1 && (width / 2) * COLUMNS >= columns) width /= 2;
  return width;
}
