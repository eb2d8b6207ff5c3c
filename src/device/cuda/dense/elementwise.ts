import type { DenseMath } from "../../device.ts";
import { checkCast } from "../../dense/precision.ts";
import { requireElements, requireFactor, requireShape, requireTimes } from "../../dense/shapes.ts";
import { bitsOf } from "../launch.ts";
import { ELEMENTS, kernels, lanesOf, pairs, vectorOf, vectors } from "./kernel.ts";
import type { Activation, DenseLauncher, Work } from "./work.ts";

type ElementwiseMath = Pick<DenseMath, "cast" | "repeatFirst" | "add" | "addInto" | "scale">;

/** Copies that one thread writes of what it read. */
const COPIES = 8;

const eachVector = `  const long long i = thread() * V;
  if (i >= size) return;`;

const castKernel = kernels({
  name: "cast",
  variants: pairs.map(([X, Y]) => ({ X, Y, V: lanesOf(X, Y) })),
  parameters: "const X* __restrict__ x, Y* __restrict__ y, const long long size",
  body: `${eachVector}
  write<V>(y, i, size, read<V>(x, i, size));`,
});

const sumKernel = kernels({
  name: "add",
  variants: pairs.map(([X, Y]) => ({ X, Y, V: lanesOf(X, Y) })),
  parameters: "const X* x, const Y* y, X* z, const long long size",
  body: `${eachVector}
  Vector<float, V> sum = read<V>(x, i, size);
  const Vector<float, V> more = read<V>(y, i, size);
  for (int k = 0; k < V; ++k) sum.at[k] += more.at[k];
  write<V>(z, i, size, sum);`,
});

/** In place, and where x and y are the same: no `__restrict__`. */
const addKernel = kernels({
  name: "add_into",
  variants: pairs.map(([X, Y]) => ({ X, Y, V: lanesOf(X, Y) })),
  parameters: "const X* x, Y* y, const long long size, const float factor",
  body: `${eachVector}
  const Vector<float, V> more = read<V>(x, i, size);
  Vector<float, V> sum = read<V>(y, i, size);
  for (int k = 0; k < V; ++k) sum.at[k] += factor * more.at[k];
  write<V>(y, i, size, sum);`,
});

const scaleKernel = kernels({
  name: "scale",
  variants: ELEMENTS.map((X) => ({ X, V: lanesOf(X) })),
  parameters: "X* x, const long long size, const float factor",
  body: `${eachVector}
  Vector<float, V> all = read<V>(x, i, size);
  for (int k = 0; k < V; ++k) all.at[k] *= factor;
  write<V>(x, i, size, all);`,
});

/** Thread i writes its vector of x, read once, to some of the copies. */
const repeatKernel = kernels({
  name: "repeat_first",
  variants: ELEMENTS.flatMap((X) => vectors(X).map((V) => ({ X, V }))),
  parameters: "const X* __restrict__ x, X* __restrict__ y, const long long vectors, const int times, const float factor",
  body: `  const long long i = thread(), part = i / vectors, at = i - part * vectors;
  const int begin = part * ${COPIES}, end = begin + ${COPIES} < times ? begin + ${COPIES} : times;
  if (begin >= times) return;
  Vector<float, V> all = read<V>(x, at);
  for (int k = 0; k < V; ++k) all.at[k] *= factor;
  for (int t = begin; t < end; ++t) write<V>(y, t * vectors + at, all);`,
});

export const elementwiseKernels = [castKernel, sumKernel, addKernel, scaleKernel, repeatKernel];

/** Queues a kernel that writes `size` elements of x as y's type. */
export function castTo(work: Work, x: Activation, y: Activation, size: number): void {
  const V = lanesOf(x.type, y.type);
  work.launch(castKernel({ X: x.type, Y: y.type, V }), Math.ceil(size / V), [x.at, y.at, size]);
}

export function elementwiseMath(launcher: DenseLauncher): ElementwiseMath {
  return {
    cast(x, dtype) {
      checkCast(x, dtype);
      return launcher.run("cast", "rest", (work) => {
        const from = work.activation(x);
        const y = work.output(x.shape, dtype);
        castTo(work, from, { at: work.ptr(y, dtype), type: dtype }, x.size);
        return y;
      });
    },
    repeatFirst(x, times, factor) {
      requireTimes("repeatFirst", x, times);
      requireFactor("repeatFirst", "scale", factor);
      return launcher.run("repeatFirst", "rest", (work) => {
        const { at, type } = work.activation(x);
        const y = work.output([times, ...x.shape], type);
        const V = vectorOf(x.size, type);
        const count = x.size / V;
        work.launch(repeatKernel({ X: type, V }), count * Math.ceil(times / COPIES), [at, work.ptr(y, type), count, times, bitsOf(factor)]);
        return y;
      });
    },
    add(x, y) {
      requireElements("add", "x", x);
      requireShape("add", "y", y, x.shape);
      return launcher.run("add", "rest", (work) => {
        const [left, right] = [work.activation(x), work.activation(y)];
        const z = work.output(x.shape, left.type);
        const V = lanesOf(left.type, right.type);
        work.launch(sumKernel({ X: left.type, Y: right.type, V }), Math.ceil(x.size / V), [left.at, right.at, work.ptr(z, left.type), x.size]);
        return z;
      });
    },
    addInto(y, x, factor) {
      requireElements("addInto", "y", y);
      requireShape("addInto", "x", x, y.shape);
      requireFactor("addInto", "scale", factor);
      launcher.run("addInto", "rest", (work) => {
        const [from, to] = [work.activation(x), work.activation(y)];
        const V = lanesOf(from.type, to.type);
        work.launch(addKernel({ X: from.type, Y: to.type, V }), Math.ceil(y.size / V), [from.at, to.at, y.size, bitsOf(factor)]);
      });
    },
    scale(x, factor) {
      requireElements("scale", "x", x);
      requireFactor("scale", "factor", factor);
      launcher.run("scale", "rest", (work) => {
        const { at, type } = work.activation(x);
        const V = lanesOf(type);
        work.launch(scaleKernel({ X: type, V }), Math.ceil(x.size / V), [at, x.size, bitsOf(factor)]);
      });
    },
  };
}
