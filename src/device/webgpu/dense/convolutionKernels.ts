import { addProducts, COLUMNS, component, elementType, repeat, rightFour, ROWS, storing, SUMS, THREADS } from "./block.ts";
import { WINDOW_PARAMS } from "./windows.ts";
import { bindingsOf, type Kernel, paramsOf } from "./work.ts";

/** Whether left and right factors have a multiple of four values (channels) in a row. */
export interface Fours {
  left: boolean;
  right: boolean;
}

const SHAPE_PARAMS = "row: u32, groups: u32, rows: u32, columns: u32, rowTiles: u32, columnTiles: u32, tileWidth: u32, biased: u32";

const main = (body: string): string => `
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let place = group.y * p.row + group.x;
${body}
}
`;

/** What differs between a convolution and its gradient, as WGSL: which line of the left factor a line of the result meets at a row of the window, and which column. -1: none. */
const direction = {
  /** Results are positions of the window, the left factor is the images. */
  forward: `fn lineAt(line: i32, down: i32) -> i32 {
  let y = line % p.outHeight * p.strideY - p.padY + down;
  return select(-1, line / p.outHeight * p.height + y, y >= 0 && y < p.height) * p.width;
}
fn columnAt(x: i32, across: i32) -> i32 {
  let column = x * p.strideX - p.padX + across;
  return select(-1, column, column < p.width);
}`,
  /** Results are pixels, the left factor is dy at the positions whose windows saw them. */
  backward: `fn lineAt(line: i32, down: i32) -> i32 {
  let distance = line % p.height + p.padY - down;
  let y = distance / p.strideY;
  return select(-1, line / p.height * p.outHeight + y, distance >= 0 && y * p.strideY == distance && y < p.outHeight) * p.outWidth;
}
fn columnAt(x: i32, across: i32) -> i32 {
  let distance = x + p.padX - across;
  let column = distance / p.strideX;
  return select(-1, column, distance >= 0 && column * p.strideX == distance && column < p.outWidth);
}`,
};

/**
 * A convolution as a product: a thread's rows are adjoining pixels of one line, the depth is the window's taps times the left factor's channels (`depth`).
 */
export function convolutionKernel(kind: keyof typeof direction, { left, right }: Fours): Kernel {
  const value = (i: number): string => `select(${elementType(left)}(), left[(u32(at${i}) + k)${left ? " / 4" : ""}], at${i} >= 0)`;
  const b = (k: string): string => `      let b = ${rightFour(right, `(tap * p.depth + ${k}) * p.columns`)};`;
  const products = left
    ? repeat(4, (u) => `      {\n${b(`k + ${u}`)}\n${addProducts((i) => `a${i}.${component(u)}`)}\n      }`)
    : `${b("k")}\n${addProducts((i) => `a${i}`)}`;
  const code = `${paramsOf(`${SHAPE_PARAMS}, depth: u32, lines: u32, lineWidth: u32, ${WINDOW_PARAMS}`)}
${bindingsOf([`left: ${elementType(left)}`, `right: ${elementType(right)}`, `bias: ${elementType(right)}`], [`result: ${elementType(right)}`])}
${direction[kind]}
fn placeAt(line: i32, column: i32) -> i32 { return select(-1, (line + column) * i32(p.depth), column >= 0); }
${storing(right)}
${main(`  let block = place / p.columnTiles * (${THREADS} / p.tileWidth) + thread / p.tileWidth;
  let column = ${COLUMNS} * (place % p.columnTiles * p.tileWidth + thread % p.tileWidth);
  let blocks = (p.lineWidth + ${ROWS - 1}) / ${ROWS};
  let line = block / blocks;
  let x = block % blocks * ${ROWS};
  if (place >= p.groups || line >= p.lines || column >= p.columns) { return; }
${SUMS}
  for (var down = 0; down < p.windowHeight; down++) {
    let leftLine = lineAt(i32(line), down);
    if (leftLine < 0) { continue; }
    for (var across = 0; across < p.windowWidth; across++) {
      let tap = u32(down * p.windowWidth + across);
${repeat(ROWS, (i) => `      let at${i} = placeAt(leftLine, columnAt(i32(x) + ${i}, across));`)}
      for (var k = 0u; k < p.depth; k += ${left ? 4 : 1}) {
${repeat(ROWS, (i) => `      let a${i} = ${value(i)};`)}
${products}
      }
    }
  }
  var start = vec4f();
  if (p.biased == 1) { start = ${rightFour(right, "0").replaceAll("right[", "bias[")}; }
  let first = line * p.lineWidth + x;
${repeat(ROWS, (i) => `  if (x + ${i} < p.lineWidth) { store((first + ${i}) * p.columns, column, start + sum${i}); }`)}`)}`;
  return { label: kind === "forward" ? "convolution" : "convolution's dx", code };
}

/**
 * The gradient of a convolution's weights as a product: rows of (tap, channel), eight channels of one tap for a thread; the depth is all positions, split by lines of
 * positions.
 */
export function weightGradientKernel({ left, right }: Fours): Kernel {
  const load = left
    ? repeat(ROWS / 4, (i) => `      let a${i} = left[(at + min(channel + ${4 * i}, channels - 4)) / 4];`)
    : repeat(ROWS, (i) => `      let a${i} = left[at + min(channel + ${i}, channels - 1)];`);
  const code = `${paramsOf(`${SHAPE_PARAMS}, lines: u32, partLines: u32, ${WINDOW_PARAMS}`)}
${bindingsOf([`left: ${elementType(left)}`, `right: ${elementType(right)}`], [`result: ${elementType(right)}`])}
${storing(right)}
${main(`  let part = place / (p.rowTiles * p.columnTiles);
  let block = place / p.columnTiles % p.rowTiles * (${THREADS} / p.tileWidth) + thread / p.tileWidth;
  let column = ${COLUMNS} * (place % p.columnTiles * p.tileWidth + thread % p.tileWidth);
  let channels = u32(p.channels);
  let blocksOfTap = (channels + ${ROWS - 1}) / ${ROWS};
  if (place >= p.groups || block >= blocksOfTap * u32(p.windowHeight * p.windowWidth) || column >= p.columns) { return; }
  let tap = i32(block / blocksOfTap);
  let channel = ${ROWS} * (block % blocksOfTap);
  let down = tap / p.windowWidth - p.padY;
  let across = tap % p.windowWidth - p.padX;
  // The positions of a line whose windows have this tap on the image.
  let firstX = max(0, (p.strideX - 1 - across) / p.strideX);
  let endX = min(p.outWidth, (p.width - 1 - across + p.strideX) / p.strideX);
${SUMS}
  for (var line = part * p.partLines; line < min((part + 1) * p.partLines, p.lines); line++) {
    let image = i32(line) / p.outHeight;
    let y = i32(line) % p.outHeight * p.strideY + down;
    if (y < 0 || y >= p.height) { continue; }
    for (var x = firstX; x < endX; x++) {
      let at = u32((image * p.height + y) * p.width + x * p.strideX + across) * channels;
${load}
      let b = ${rightFour(right, "(line * u32(p.outWidth) + u32(x)) * p.columns")};
${addProducts((i) => (left ? `a${Math.floor(i / 4)}.${component(i)}` : `a${i}`))}
    }
  }
  let rows = (part * u32(p.windowHeight * p.windowWidth) + u32(tap)) * channels + channel;
${repeat(ROWS, (i) => `  if (channel + ${i} < channels) { store((rows + ${i}) * p.columns, column, sum${i}); }`)}`)}`;
  return { label: "convolution's dw", code };
}
