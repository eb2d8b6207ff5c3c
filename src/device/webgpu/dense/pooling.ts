import type { DenseMath, Tensor, Window2d } from "../../device.ts";
import { type Geometry, poolingBackwardGeometry, poolingGeometry, shapedLike } from "../../dense/windows.ts";
import { WINDOW_PARAMS, windowWords } from "./windows.ts";
import { elementKernel, type Kernel, type Launcher } from "./work.ts";

type PoolingMath = Pick<DenseMath, "maxPool2d" | "maxPool2dBackward" | "avgPool2d" | "avgPool2dBackward">;

/** WGSL: where the window at an output position begins, clipped to the image, and where it ends. */
const FUNCTIONS = `struct Span { top: i32, bottom: i32, left: i32, right: i32 }
fn spanAt(y: i32, x: i32) -> Span {
  let top = y * p.strideY - p.padY;
  let left = x * p.strideX - p.padX;
  return Span(max(top, 0), min(top + p.windowHeight, p.height), max(left, 0), min(left + p.windowWidth, p.width));
}
// The output positions whose windows hold a pixel.
fn windowsOver(y: i32, x: i32) -> Span {
  return Span(
    max(y + p.padY - p.windowHeight + p.strideY, 0) / p.strideY, min((y + p.padY) / p.strideY + 1, p.outHeight),
    max(x + p.padX - p.windowWidth + p.strideX, 0) / p.strideX, min((x + p.padX) / p.strideX + 1, p.outWidth));
}`;

/** WGSL: the channel, column, row and image of element `i` of images of such a height and width. */
const place = (height: string, width: string): string => `  let c = i32(i) % p.channels;
  let x = i32(i) / p.channels % p.${width};
  let y = i32(i) / (p.channels * p.${width}) % p.${height};
  let image = i32(i) / (p.channels * p.${width} * p.${height});`;

const pixel = (y: string, x: string): string => `((image * p.height + ${y}) * p.width + ${x}) * p.channels + c`;
const output = (y: string, x: string): string => `((image * p.outHeight + ${y}) * p.outWidth + ${x}) * p.channels + c`;

const poolKernel = (label: string, start: string, step: string, result: string): Kernel => elementKernel({
  label, params: WINDOW_PARAMS, inputs: ["images"], outputs: ["pooled"], functions: FUNCTIONS,
  body: `${place("outHeight", "outWidth")}
  let span = spanAt(y, x);
  var value = ${start};
  for (var row = span.top; row < span.bottom; row++) {
    for (var column = span.left; column < span.right; column++) {
      let one = images[${pixel("row", "column")}];
      value = ${step};
    }
  }
  pooled[i] = ${result};`,
});
const maxKernel = poolKernel("max pool", `images[${pixel("span.top", "span.left")}]`, "max(value, one)", "value");
const meanKernel = poolKernel("average pool", "0.0", "value + one", "value / f32(p.windowHeight * p.windowWidth)");

/** Each pixel gathers from the windows over it: nothing is added to memory, the order is fixed. */
const gatherKernel = (label: string, inputs: readonly string[], term: string): Kernel => elementKernel({
  label, params: WINDOW_PARAMS, inputs, outputs: ["dx"],
  functions: `${FUNCTIONS}
${term}`,
  body: `${place("height", "width")}
  let over = windowsOver(y, x);
  var sum = 0.0;
  for (var row = over.top; row < over.bottom; row++) {
    for (var column = over.left; column < over.right; column++) { sum += share(image, row, column, y, x, c); }
  }
  dx[i] = sum;`,
});
const maxBackwardKernel = gatherKernel("max pool's dx", ["images", "dy"], `// A window's gradient goes to the first of its largest values.
fn share(image: i32, row: i32, column: i32, y: i32, x: i32, c: i32) -> f32 {
  let span = spanAt(row, column);
  let own = images[${pixel("y", "x")}];
  for (var j = span.top; j < span.bottom; j++) {
    for (var k = span.left; k < span.right; k++) {
      let other = images[${pixel("j", "k")}];
      let earlier = j < y || (j == y && k < x);
      if (other > own || (earlier && other == own)) { return 0.0; }
    }
  }
  return dy[${output("row", "column")}];
}`);
/** Where windows neither overlap nor leave pixels out, a thread serves a whole window. */
const maxBackwardTilesKernel = elementKernel({
  label: "max pool's dx", params: WINDOW_PARAMS, inputs: ["images", "dy"], outputs: ["dx"], functions: FUNCTIONS,
  body: `${place("outHeight", "outWidth")}
  let span = spanAt(y, x);
  var best = ${pixel("span.top", "span.left")};
  for (var row = span.top; row < span.bottom; row++) {
    for (var column = span.left; column < span.right; column++) {
      let at = ${pixel("row", "column")};
      best = select(best, at, images[at] > images[best]);
    }
  }
  for (var row = span.top; row < span.bottom; row++) {
    for (var column = span.left; column < span.right; column++) {
      let at = ${pixel("row", "column")};
      dx[at] = select(0.0, dy[i], at == best);
    }
  }`,
});
const meanBackwardKernel = gatherKernel("average pool's dx", ["dy"], `fn share(image: i32, row: i32, column: i32, y: i32, x: i32, c: i32) -> f32 {
  return dy[${output("row", "column")}] / f32(p.windowHeight * p.windowWidth);
}`);

/** Whether the windows cover the images, each pixel once. */
const tiles = ({ height, width, window: { size, stride, padding } }: Geometry): boolean =>
  [height, width].every((extent, axis) => size[axis] === stride[axis] && padding[axis] === 0 && extent % size[axis] === 0);

export function poolingMath(launcher: Launcher): PoolingMath {
  const pool = (operation: string, kernel: Kernel, x: Tensor, window: Window2d): Tensor => {
    const geometry = poolingGeometry(operation, x, window);
    return launcher.run(operation, (work) => {
      const images = work.bind(x);
      const y = work.output([geometry.images, geometry.outHeight, geometry.outWidth, geometry.channels]);
      work.perElement(kernel, y.size, windowWords(geometry), [images, work.bind(y)]);
      return y;
    });
  };
  return {
    maxPool2d: (x, window) => pool("maxPool2d", maxKernel, x, window),
    avgPool2d: (x, window) => pool("avgPool2d", meanKernel, x, window),
    maxPool2dBackward(x, dy, window) {
      const geometry = poolingBackwardGeometry("maxPool2dBackward", x, window, dy);
      return launcher.run("maxPool2dBackward", (work) => {
        const inputs = [work.bind(x), work.bind(dy)];
        const dx = work.output(x.shape);
        const [kernel, threads] = tiles(geometry) ? [maxBackwardTilesKernel, dy.size] : [maxBackwardKernel, dx.size];
        work.perElement(kernel, threads, windowWords(geometry), [...inputs, work.bind(dx)]);
        return dx;
      });
    },
    avgPool2dBackward(shape, dy, window) {
      const geometry = poolingBackwardGeometry("avgPool2dBackward", shapedLike("avgPool2dBackward", shape), window, dy);
      return launcher.run("avgPool2dBackward", (work) => {
        const slope = work.bind(dy);
        const dx = work.output(shape);
        work.perElement(meanBackwardKernel, dx.size, windowWords(geometry), [slope, work.bind(dx)]);
        return dx;
      });
    },
  };
}
