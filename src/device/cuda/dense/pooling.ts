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

/** The window at an output position, clipped to the image: PyTorch's row-major order. */
const overWindow = (body: string): string => `  const int top = y * strideY - padY, left = x * strideX - padX;
  for (int row = max(top, 0); row < min(top + windowHeight, height); ++row) {
    for (int column = max(left, 0); column < min(left + windowWidth, width); ++column) {
${body}
    }
  }`;

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
  bool first = true;
${overWindow(`      const Vector<float, V> now = read<V>(images, ${PIXEL});
      for (int k = 0; k < V; ++k) best.at[k] = first || now.at[k] > best.at[k] ? now.at[k] : best.at[k];
      first = false;`)}
  write<V>(pooled, i, best);`,
});

const meanKernel = kernels({
  name: "average_pool",
  variants: singles,
  parameters: `const X* __restrict__ images, X* __restrict__ pooled, ${WINDOW_PARAMETERS}`,
  body: `${place("outHeight", "outWidth")}
  Vector<float, V> sum = {};
${overWindow(`      const Vector<float, V> now = read<V>(images, ${PIXEL});
      for (int k = 0; k < V; ++k) sum.at[k] += now.at[k];`)}
  for (int k = 0; k < V; ++k) sum.at[k] /= (float)(windowHeight * windowWidth);
  write<V>(pooled, i, sum);`,
});

/** A window's gradient goes to the first of its largest values. Where windows neither overlap nor leave pixels out, a thread serves a whole window. */
const maxTilesKernel = kernels({
  name: "max_pool_tiles_backward",
  variants: pairs.flatMap(([X, Y]) => vectors(X, Y).map((V) => ({ X, Y, V }))),
  parameters: `const X* __restrict__ images, const Y* __restrict__ dy, X* __restrict__ dx, ${WINDOW_PARAMETERS}`,
  body: `${place("outHeight", "outWidth")}
  Vector<float, V> best;
  int at[V];
  int tap = 0;
${overWindow(`      const Vector<float, V> now = read<V>(images, ${PIXEL});
      for (int k = 0; k < V; ++k) {
        const bool larger = tap == 0 || now.at[k] > best.at[k];
        best.at[k] = larger ? now.at[k] : best.at[k];
        at[k] = larger ? tap : at[k];
      }
      ++tap;`)}
  const Vector<float, V> slope = read<V>(dy, i);
  tap = 0;
  for (int row = top; row < top + windowHeight; ++row) {
    for (int column = left; column < left + windowWidth; ++column) {
      Vector<float, V> own;
      for (int k = 0; k < V; ++k) own.at[k] = at[k] == tap ? slope.at[k] : 0.0f;
      write<V>(dx, ${PIXEL}, own);
      ++tap;
    }
  }`,
});

/** Otherwise a first kernel notes where each window has its first largest value (PLACE: the tap of the window), and a second one gathers. */
const placesKernel = kernels({
  name: "max_pool_places",
  variants: ELEMENTS.flatMap((X) => vectors(X).flatMap((V) => [1, 4].map((BYTES) => ({ X, V, BYTES })))),
  parameters: `const X* __restrict__ images, void* __restrict__ places, ${WINDOW_PARAMETERS}`,
  functions: "template <int B> struct Place { typedef unsigned char type; };\ntemplate <> struct Place<4> { typedef unsigned int type; };\n",
  body: `${place("outHeight", "outWidth")}
  Vector<float, V> best;
  Vector<Place<BYTES>::type, V> at;
  bool first = true;
${overWindow(`      const Vector<float, V> now = read<V>(images, ${PIXEL});
      for (int k = 0; k < V; ++k) {
        const bool larger = first || now.at[k] > best.at[k];
        best.at[k] = larger ? now.at[k] : best.at[k];
        at.at[k] = larger ? (row - top) * windowWidth + column - left : at.at[k];
      }
      first = false;`)}
  store((Place<BYTES>::type*)places + i * V, at);`,
});

const maxGatherKernel = kernels({
  name: "max_pool_backward",
  variants: pairs.flatMap(([X, Y]) => vectors(X, Y).flatMap((V) => [1, 4].map((BYTES) => ({ X, Y, V, BYTES })))),
  parameters: `const void* __restrict__ places, const Y* __restrict__ dy, X* __restrict__ dx, ${WINDOW_PARAMETERS}`,
  functions: "template <int B> struct Place { typedef unsigned char type; };\ntemplate <> struct Place<4> { typedef unsigned int type; };\n",
  body: `${place("height", "width")}
  Vector<float, V> sum = {};
${overPositions(`      const long long position = ${POSITION};
      const Vector<Place<BYTES>::type, V> at = load<V>((const Place<BYTES>::type*)places + position * V);
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
