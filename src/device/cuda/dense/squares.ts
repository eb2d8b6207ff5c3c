import type { DenseMath, Tensor } from "../../device.ts";
import { requireElements } from "../../dense/shapes.ts";
import { type Element, ELEMENTS, kernels, lanesOf, THREADS } from "./kernel.ts";
import { mergeSums, tree } from "./rows.ts";
import type { DenseLauncher, Work } from "./work.ts";

/** Tensors of one launch: three words of each and one more are what a launch can be given. */
const TENSORS = 40;
/** Elements of one block's sum. */
export const CHUNK = 2 ** 16;

/** Everything is one parameter: 8-byte words side by side, as the launcher lays parameters out. */
const squaresKernel = kernels({
  name: "sums_of_squares",
  variants: ELEMENTS.map((X) => ({ X, V: lanesOf(X) })),
  functions: `struct Tensors {
  float* partials;
  const X* at[${TENSORS}];
  long long sizes[${TENSORS}], chunks[${TENSORS}];
};
`,
  parameters: "const Tensors tensors",
  body: `  constexpr int across = 1, down = ${THREADS};
  __shared__ float sums[${THREADS}];
  const int t = threadIdx.x, lane = t;
  long long chunk = blockIdx.x;
  int own = 0;
  while (chunk >= tensors.chunks[own]) chunk -= tensors.chunks[own++];
  const X* const x = tensors.at[own];
  const long long size = tensors.sizes[own], end = (chunk + 1) * ${CHUNK} < size ? (chunk + 1) * ${CHUNK} : size;
  float sum = 0.0f;
  const auto add = [&](const Vector<float, V>& now) {
    float part = 0.0f;
    for (int k = 0; k < V; ++k) part += now.at[k] * now.at[k];
    sum += part;
  };
  inPieces(chunk * ${CHUNK} + t * V, end / V * V, ${THREADS} * V, [&](long long i) { return read<V>(x, i / V); }, add);
  if (t == 0 && end % V != 0) add(read<V>(x, end / V * V, size));
  sums[t] = sum;
${tree("      sums[t] += sums[t + reach * across];")}
  if (t == 0) tensors.partials[blockIdx.x] = sums[0];`,
});

export const squareKernels = [squaresKernel];

export function squareMath(launcher: DenseLauncher): Pick<DenseMath, "sumOfSquares"> {
  return {
    sumOfSquares(...tensors) {
      tensors.forEach((x) => requireElements("sumOfSquares", "x", x));
      return launcher.run("sumOfSquares", "rest", (work) => {
        for (const x of tensors) work.activation(x);
        const sum = work.output([1]);
        const blocks = tensors.reduce((count, x) => count + chunksOf(x), 0);
        const partials = work.scratch([blocks]);
        let first = 0;
        for (const type of ELEMENTS) {
          const alike = tensors.filter(({ dtype }) => dtype === type);
          for (let i = 0; i < alike.length; i += TENSORS) first += sumSquares(work, type, alike.slice(i, i + TENSORS), partials + 4 * first);
        }
        mergeSums(work, partials, work.ptr(sum), blocks, 1, 1);
        return sum;
      });
    },
  };
}

const chunksOf = (x: Tensor): number => Math.ceil(x.size / CHUNK);

/** @returns how many partial sums it has written. */
function sumSquares(work: Work, type: Element, tensors: readonly Tensor[], partials: number): number {
  const chunks = tensors.map(chunksOf);
  const blocks = chunks.reduce((count, more) => count + more, 0);
  const filled = (words: readonly number[]): number[] => Array.from({ length: TENSORS }, (_, i) => words[i] ?? 0);
  const words = [tensors.map((x) => work.ptr(x, type)), tensors.map(({ size }) => size), chunks].flatMap(filled);
  work.launchBlocks(squaresKernel({ X: type, V: lanesOf(type) }), blocks, [partials, ...words]);
  return blocks;
}
