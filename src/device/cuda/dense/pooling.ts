import type { DenseMath, DType, Tensor, Window2d } from "../../device.ts";
import { type Geometry, poolingBackwardGeometry, poolingGeometry, shapedLike } from "../../dense/windows.ts";
import { ELEMENTS, type KernelFamily, kernels, pairs, vectorOf, vectors } from "./kernel.ts";
import type { DenseLauncher } from "./work.ts";

type PoolingMath = Pick<DenseMath, "maxPool2d" | "maxPool2dBackward" | "avgPool2d" | "avgPool2dBackward">;

/** A thread serves V channels of one pixel or position; `groups` is the channels of a pixel over V, and everything is counted in vectors. */
const WINDOW_PARAMETERS =
  "const long long vectors, const int height, const int width, const int groups, const int outHeight, const int outWidth, " +
  "const int windowHeight, const int windowWidth, const int strideY, const int strideX, const int padY, const int padX";

const windowWords = ({ height, width, channels, outHeight, outWidth, window }: Geometry, vector: number): number[] =>
  [height, width, channels / vector, outHeight, outWidth, ...window.size, ...window.stride, ...window.padding];

/** The group, column, row and image of thread i in images of such a height and width. */
const place = (height: string, width: string): string => `  const long long i = thread();
  if (i >= vectors) return;
  const long long pixel = quotient(i, groups), line = quotient(pixel, ${width}), image = quotient(line, ${height});
  const int group = i - pixel * groups, x = pixel - line * ${width}, y = line - image * ${height};`;

const PIXEL = "((image * height + row) * width + column) * groups + group";
const POSITION = "((image * outHeight + row) * outWidth + column) * groups + group";

/**
 * Visits the window at an output position, clipped to the image, in row-major order: `body` finds the pixel's V channels in `now`, and how many taps of
 * the window were before it in `tap`.
 */
const overWindow = (body: string): string => `  const int top = y * strideY - padY, left = x * strideX - padX;
  const int firstRow = max(top, 0), firstColumn = max(left, 0), columns = min(left + windowWidth, width) - firstColumn;
  int tap = 0;
  inPieces(0, (min(top + windowHeight, height) - firstRow) * columns, 1, [&](long long at) {
    const int row = firstRow + (int)at / columns, column = firstColumn + (int)at % columns;
    return read<V>(images, ${PIXEL});
  }, [&](const Vector<float, V>& now) {
${body}
    ++tap;
  });`;

/** The output positions whose windows hold a pixel, in a fixed order. */
const overPositions = (body: string): string => `  const int bottom = min((y + padY) / strideY + 1, outHeight), right = min((x + padX) / strideX + 1, outWidth);
  for (int row = max(y + padY - windowHeight + strideY, 0) / strideY; row < bottom; ++row) {
    for (int column = max(x + padX - windowWidth + strideX, 0) / strideX; column < right; ++column) {
${body}
    }
  }`;

const singles = ELEMENTS.flatMap((X) => vectors(X).map((V) => ({ X, V })));

const maxKernel = kernels({
  name: "max_pool",
  variants: singles,
  parameters: `const X* __restrict__ images, X* __restrict__ pooled, ${WINDOW_PARAMETERS}`,
  body: `${place("outHeight", "outWidth")}
  Vector<float, V> best;
${overWindow("    for (int k = 0; k < V; ++k) best.at[k] = tap == 0 || now.at[k] > best.at[k] ? now.at[k] : best.at[k];")}
  write<V>(pooled, i, best);`,
});

const meanKernel = kernels({
  name: "average_pool",
  variants: singles,
  parameters: `const X* __restrict__ images, X* __restrict__ pooled, ${WINDOW_PARAMETERS}`,
  body: `${place("outHeight", "outWidth")}
  Vector<float, V> sum = {};
${overWindow("    for (int k = 0; k < V; ++k) sum.at[k] += now.at[k];")}
  for (int k = 0; k < V; ++k) sum.at[k] /= (float)(windowHeight * windowWidth);
  write<V>(pooled, i, sum);`,
});

/** At which tap each channel has its first largest value. */
const FIRST_LARGEST = `  Vector<float, V> best;
  int found[V];
${overWindow(`    for (int k = 0; k < V; ++k) {
      const bool larger = tap == 0 || now.at[k] > best.at[k];
      best.at[k] = larger ? now.at[k] : best.at[k];
      found[k] = larger ? tap : found[k];
    }`)}`;

/** A window's gradient goes to the first of its largest values. Where windows neither overlap nor leave pixels out, a thread serves a whole window. */
const maxTilesKernel = kernels({
  name: "max_pool_tiles_backward",
  variants: pairs.flatMap(([X, Y]) => vectors(X, Y).map((V) => ({ X, Y, V }))),
  parameters: `const X* __restrict__ images, const Y* __restrict__ dy, X* __restrict__ dx, ${WINDOW_PARAMETERS}`,
  body: `${place("outHeight", "outWidth")}
${FIRST_LARGEST}
  const Vector<float, V> slope = read<V>(dy, i);
  tap = 0;
  for (int row = top; row < top + windowHeight; ++row) {
    for (int column = left; column < left + windowWidth; ++column) {
      Vector<float, V> own;
      for (int k = 0; k < V; ++k) own.at[k] = found[k] == tap ? slope.at[k] : 0.0f;
      write<V>(dx, ${PIXEL}, own);
      ++tap;
    }
  }`,
});

/** Otherwise a first kernel notes that tap of each window, counted with the padding, in 1 or 4 BYTES, and a second one gathers. */
const PLACES = "template <int B> struct Place { typedef unsigned char type; };\ntemplate <> struct Place<4> { typedef unsigned int type; };\ntypedef Place<BYTES>::type Tap;\n";
const placesKernel = kernels({
  name: "max_pool_places",
  variants: ELEMENTS.flatMap((X) => vectors(X).flatMap((V) => [1, 4].map((BYTES) => ({ X, V, BYTES })))),
  parameters: `const X* __restrict__ images, Tap* __restrict__ places, ${WINDOW_PARAMETERS}`,
  functions: PLACES,
  body: `${place("outHeight", "outWidth")}
${FIRST_LARGEST}
  Vector<Tap, V> all;
  for (int k = 0; k < V; ++k) all.at[k] = (firstRow - top + found[k] / columns) * windowWidth + firstColumn - left + found[k] % columns;
  store(places + i * V, all);`,
});

const maxGatherKernel = kernels({
  name: "max_pool_backward",
  variants: pairs.flatMap(([X, Y]) => vectors(X, Y).flatMap((V) => [1, 4].map((BYTES) => ({ X, Y, V, BYTES })))),
  parameters: `const Tap* __restrict__ places, const Y* __restrict__ dy, X* __restrict__ dx, ${WINDOW_PARAMETERS}`,
  functions: PLACES,
  body: `${place("height", "width")}
  Vector<float, V> sum = {};
${overPositions(`      const long long position = ${POSITION};
      const Vector<Tap, V> at = load<V>(places + position * V);
      const Vector<float, V> slope = read<V>(dy, position);
      const int own = (y - row * strideY + padY) * windowWidth + x - column * strideX + padX;
      for (int k = 0; k < V; ++k) sum.at[k] += at.at[k] == own ? slope.at[k] : 0.0f;`)}
  write<V>(dx, i, sum);`,
});

const meanBackwardKernel = kernels({
  name: "average_pool_backward",
  variants: singles,
  parameters: `const X* __restrict__ dy, X* __restrict__ dx, ${WINDOW_PARAMETERS}`,
  body: `${place("height", "width")}
  Vector<float, V> sum = {};
${overPositions(`      const Vector<float, V> slope = read<V>(dy, ${POSITION});
      for (int k = 0; k < V; ++k) sum.at[k] += slope.at[k];`)}
  for (int k = 0; k < V; ++k) sum.at[k] /= (float)(windowHeight * windowWidth);
  write<V>(dx, i, sum);`,
});

export const poolingKernels = [maxKernel, meanKernel, maxTilesKernel, placesKernel, maxGatherKernel, meanBackwardKernel];

/** Whether the windows cover the images, each pixel once. */
const tiles = ({ height, width, window: { size, stride, padding } }: Geometry): boolean =>
  [height, width].every((extent, axis) => size[axis] === stride[axis] && padding[axis] === 0 && extent % size[axis] === 0);

export function poolingMath(launcher: DenseLauncher): PoolingMath {
  const pool = (operation: string, kernel: KernelFamily, x: Tensor, window: Window2d): Tensor => {
    const geometry = poolingGeometry(operation, x, window);
    return launcher.run(operation, "rest", (work) => {
      const { at, type } = work.activation(x);
      const y = work.output([geometry.images, geometry.outHeight, geometry.outWidth, geometry.channels], type);
      const V = vectorOf(geometry.channels, type);
      work.launch(kernel({ X: type, V }), y.size / V, [at, work.ptr(y, type), y.size / V, ...windowWords(geometry, V)]);
      return y;
    });
  };
  return {
    maxPool2d: (x, window) => pool("maxPool2d", maxKernel, x, window),
    avgPool2d: (x, window) => pool("avgPool2d", meanKernel, x, window),
    maxPool2dBackward(x, dy, window) {
      const geometry = poolingBackwardGeometry("maxPool2dBackward", x, window, dy);
      return launcher.run("maxPool2dBackward", "rest", (work) => {
        const [image, slope] = [work.activation(x), work.activation(dy)];
        const dx = work.output(x.shape, image.type);
        const to = work.ptr(dx, image.type);
        const V = vectorOf(geometry.channels, image.type, slope.type);
        const words = windowWords(geometry, V);
        const types = { X: image.type, Y: slope.type, V };
        if (tiles(geometry)) {
          work.launch(maxTilesKernel(types), dy.size / V, [image.at, slope.at, to, dy.size / V, ...words]);
          return dx;
        }
        const [dtype, BYTES]: [DType, number] = window.size[0] * window.size[1] <= 256 ? ["u8", 1] : ["u32", 4];
        const places = work.scratch(dy.shape, dtype);
        work.launch(placesKernel({ X: image.type, V, BYTES }), dy.size / V, [image.at, places, dy.size / V, ...words]);
        work.launch(maxGatherKernel({ ...types, BYTES }), dx.size / V, [places, slope.at, to, dx.size / V, ...words]);
        return dx;
      });
    },
    avgPool2dBackward(shape, dy, window) {
      const geometry = poolingBackwardGeometry("avgPool2dBackward", shapedLike("avgPool2dBackward", shape), window, dy);
      return launcher.run("avgPool2dBackward", "rest", (work) => {
        const { at, type } = work.activation(dy);
        const dx = work.output(shape, type);
        const V = vectorOf(geometry.channels, type);
        work.launch(meanBackwardKernel({ X: type, V }), dx.size / V, [at, work.ptr(dx, type), dx.size / V, ...windowWords(geometry, V)]);
        return dx;
      });
    },
  };
}
