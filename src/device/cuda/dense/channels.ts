import type { DenseMath, Tensor } from "../../device.ts";
import { affineShape, requireElements, requireFactor, requireShape, rowsOf } from "../../dense/shapes.ts";
import { ELEMENTS, kernels, lanesOf, pairs, THREADS, vectorOf, vectors } from "./kernel.ts";
import { MERGE_ACROSS, MERGE_PLACE, PLACE, SPLIT_PARAMETERS, splitRows, splitWords, sumRows, tree } from "./rows.ts";
import type { Activation, DenseLauncher, Work } from "./work.ts";

type ChannelMath = Pick<DenseMath, "channelMoments" | "channelSums" | "channelDots" | "channelAffine" | "sumFirst">;

/** Means and sums of squared deviations of two sets are merged as by Chan, Golub and LeVeque (1983): nothing cancels where channels lie far from zero. */
const MERGE_MOMENTS = `__device__ inline void merge(float& count, float& mean, float& squares, float moreCount, float moreMean, float moreSquares) {
  const float all = count + moreCount;
  if (moreCount == 0.0f) return;
  const float away = moreMean - mean, share = moreCount / all;
  mean += away * share;
  squares += moreSquares + away * away * count * share;
  count = all;
}
`;

/** A thread sums differences from the first value that it meets, and their squares. */
const momentKernel = kernels({
  name: "moments_of_rows",
  variants: ELEMENTS.flatMap((X) => vectors(X).map((V) => ({ X, V }))),
  parameters: `const X* __restrict__ x, float* __restrict__ means, float* __restrict__ squares, ${SPLIT_PARAMETERS}`,
  functions: MERGE_MOMENTS,
  body: `${PLACE}
  __shared__ float counts[${THREADS}], centers[V][${THREADS}], spreads[V][${THREADS}];
  const bool any = inside && begin + lane < end;
  Vector<float, V> shift = {}, sum = {}, square = {};
  if (any) shift = read<V>(x, (begin + lane) * groups + group);
  inPieces(begin + lane + down, any ? end : begin, down, [&](long long row) { return load<V>(x + (row * groups + group) * V); }, [&](const Vector<X, V>& now) {
    for (int k = 0; k < V; ++k) {
      const float difference = to_float(now.at[k]) - shift.at[k];
      sum.at[k] += difference;
      square.at[k] += difference * difference;
    }
  });
  const float count = any ? (float)((end - begin - lane + down - 1) / down) : 0.0f;
  counts[t] = count;
  for (int k = 0; k < V; ++k) {
    const float average = any ? sum.at[k] / count : 0.0f;
    centers[k][t] = shift.at[k] + average;
    spreads[k][t] = square.at[k] - sum.at[k] * average;
  }
${tree(`      const int other = t + reach * across;
      const float own = counts[t];
      for (int k = 0; k < V; ++k) {
        counts[t] = own;
        merge(counts[t], centers[k][t], spreads[k][t], counts[other], centers[k][other], spreads[k][other]);
      }`)}
  if (lane != 0 || !inside) return;
  for (int k = 0; k < V; ++k) {
    sum.at[k] = centers[k][t];
    square.at[k] = spreads[k][t];
  }
  write<V>(means, chunk * groups + group, sum);
  write<V>(squares, chunk * groups + group, square);`,
});

const mergeMomentsKernel = kernels({
  name: "merge_moments",
  variants: [{}],
  parameters: "const float* __restrict__ means, const float* __restrict__ squares, float* __restrict__ mean, float* __restrict__ variance, const int chunks, const int columns, const long long rows, const long long chunkRows",
  functions: `${MERGE_MOMENTS}struct Chunk { long long left; float mean, squares; };
`,
  body: `${MERGE_PLACE}
  __shared__ float counts[${THREADS}], centers[${THREADS}], spreads[${THREADS}];
  float count = 0.0f, center = 0.0f, spread = 0.0f;
  inPieces(lane, column < columns ? chunks : 0, down, [&](long long chunk) {
    return Chunk{rows - chunk * chunkRows, means[chunk * columns + column], squares[chunk * columns + column]};
  }, [&](const Chunk& now) { merge(count, center, spread, (float)(now.left < chunkRows ? now.left : chunkRows), now.mean, now.squares); });
  counts[t] = count;
  centers[t] = center;
  spreads[t] = spread;
${tree(`      const int other = t + reach * across;
      merge(counts[t], centers[t], spreads[t], counts[other], centers[other], spreads[other]);`)}
  if (lane != 0 || column >= columns) return;
  mean[column] = centers[t];
  variance[column] = spreads[t] < 0.0f ? 0.0f : spreads[t] / (float)rows;`,
});

/** The values of a channel's coefficient for V elements from channel c on; WHOLE: rows hold whole vectors. */
const COEFFICIENTS = `__device__ inline Vector<float, V> coefficients(const float* __restrict__ of, int c, const int channels) {
  if constexpr (WHOLE) {
    return load<V>(of + c);
  } else {
    Vector<float, V> all;
    for (int k = 0; k < V; ++k) {
      all.at[k] = of[c];
      if (++c == channels) c = 0;
    }
    return all;
  }
}
`;

const affineKernel = kernels({
  name: "channel_affine",
  variants: ELEMENTS.flatMap((X) => [0, 1].map((WHOLE) => ({ X, V: lanesOf(X), WHOLE }))),
  parameters: "const X* __restrict__ x, const float* __restrict__ a, const float* __restrict__ b, X* __restrict__ z, const long long size, const int channels",
  functions: COEFFICIENTS,
  body: `  const long long i = thread() * V;
  if (i >= size) return;
  const int c = remainder(i, channels);
  const Vector<float, V> slope = coefficients(a, c, channels), shift = coefficients(b, c, channels);
  Vector<float, V> all = read<V>(x, i, size);
  for (int k = 0; k < V; ++k) all.at[k] = slope.at[k] * all.at[k] + shift.at[k];
  write<V>(z, i, size, all);`,
});

const affinePairKernel = kernels({
  name: "channel_affine_pair",
  variants: pairs.flatMap(([X, Y]) => [0, 1].map((WHOLE) => ({ X, Y, V: lanesOf(X, Y), WHOLE }))),
  parameters:
    "const X* __restrict__ x, const float* __restrict__ a, const float* __restrict__ b, const Y* __restrict__ y, const float* __restrict__ d, X* __restrict__ z, const long long size, const int channels",
  functions: COEFFICIENTS,
  body: `  const long long i = thread() * V;
  if (i >= size) return;
  const int c = remainder(i, channels);
  const Vector<float, V> slope = coefficients(a, c, channels), otherSlope = coefficients(d, c, channels), shift = coefficients(b, c, channels);
  const Vector<float, V> other = read<V>(y, i, size);
  Vector<float, V> all = read<V>(x, i, size);
  for (int k = 0; k < V; ++k) all.at[k] = slope.at[k] * all.at[k] + otherSlope.at[k] * other.at[k] + shift.at[k];
  write<V>(z, i, size, all);`,
});

const biasKernel = kernels({
  name: "add_bias",
  variants: ELEMENTS.flatMap((X) => [0, 1].map((WHOLE) => ({ X, V: lanesOf(X), WHOLE }))),
  parameters: "X* y, const float* __restrict__ b, const long long size, const int channels",
  functions: COEFFICIENTS,
  body: `  const long long i = thread() * V;
  if (i >= size) return;
  const Vector<float, V> shift = coefficients(b, remainder(i, channels), channels);
  Vector<float, V> all = read<V>(y, i, size);
  for (int k = 0; k < V; ++k) all.at[k] += shift.at[k];
  write<V>(y, i, size, all);`,
});

export const channelKernels = [biasKernel, momentKernel, mergeMomentsKernel, affineKernel, affinePairKernel];

/** Queues a kernel that adds b_c to the elements of y [..., C], in place. */
export function addBias(work: Work, { at, type }: Activation, bias: number, size: number, channels: number): void {
  const V = lanesOf(type);
  work.launch(biasKernel({ X: type, V, WHOLE: channels % V === 0 ? 1 : 0 }), Math.ceil(size / V), [at, bias, size, channels]);
}

/** Sums over all axes but the last, and their inverse: scale and shift of each channel. */
export function channelMath(launcher: DenseLauncher): ChannelMath {
  return {
    channelMoments: (x) => channelMoments(launcher, x),
    channelSums: (x) => overRows(launcher, "channelSums", x, undefined),
    channelDots(x, y) {
      requireElements("channelDots", "x", x);
      requireShape("channelDots", "y", y, x.shape);
      return overRows(launcher, "channelDots", x, y);
    },
    channelAffine: (x, a, b, y, d) => channelAffine(launcher, x, a, b, y, d),
    sumFirst(x, factor) {
      requireElements("sumFirst", "x", x);
      requireFactor("sumFirst", "scale", factor);
      const [times, ...shape] = x.shape;
      return launcher.run("sumFirst", "rest", (work) => {
        const input = work.activation(x);
        const sums = work.output(shape);
        sumRows(work, input, undefined, work.ptr(sums), times, sums.size, factor);
        return sums;
      });
    },
  };
}

function overRows(launcher: DenseLauncher, operation: string, x: Tensor, y: Tensor | undefined): Tensor {
  const { channels, rows } = rowsOf(operation, x);
  return launcher.run(operation, "rest", (work) => {
    const [left, right] = [work.activation(x), y && work.activation(y)];
    const sums = work.output([channels]);
    sumRows(work, left, right, work.ptr(sums), rows, channels);
    return sums;
  });
}

function channelMoments(launcher: DenseLauncher, x: Tensor): { mean: Tensor; variance: Tensor } {
  const { channels, rows } = rowsOf("channelMoments", x);
  return launcher.run("channelMoments", "rest", (work) => {
    const { at, type } = work.activation(x);
    const [mean, variance] = [work.output([channels]), work.output([channels])];
    const V = vectorOf(channels, type);
    const split = splitRows(rows, channels / V);
    const { tiles, chunks, chunkRows } = split;
    const partials = [0, 1].map(() => work.scratch([chunks, channels]));
    work.launchBlocks(momentKernel({ X: type, V }), tiles * chunks, [at, ...partials, ...splitWords(rows, split)]);
    work.launchBlocks(mergeMomentsKernel({}), Math.ceil(channels / MERGE_ACROSS), [...partials, work.ptr(mean), work.ptr(variance), chunks, channels, rows, chunkRows]);
    return { mean, variance };
  });
}

function channelAffine(launcher: DenseLauncher, x: Tensor, a: Tensor, b: Tensor, y: Tensor | undefined, d: Tensor | undefined): Tensor {
  const { channels } = affineShape("channelAffine", x, a, b, y, d);
  return launcher.run("channelAffine", "rest", (work) => {
    const { at, type } = work.activation(x);
    const coefficients = [a, b].map((tensor) => work.ptr(tensor));
    const other = y && d && { ...work.activation(y), slope: work.ptr(d) };
    const z = work.output(x.shape, type);
    const V = other ? lanesOf(type, other.type) : lanesOf(type);
    const WHOLE = channels % V === 0 ? 1 : 0;
    const rest = [work.ptr(z, type), x.size, channels];
    if (other) work.launch(affinePairKernel({ X: type, Y: other.type, V, WHOLE }), Math.ceil(x.size / V), [at, ...coefficients, other.at, other.slope, ...rest]);
    else work.launch(affineKernel({ X: type, V, WHOLE }), Math.ceil(x.size / V), [at, ...coefficients, ...rest]);
    return z;
  });
}
