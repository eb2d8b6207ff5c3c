import { elementTypes, prelude } from "../../../codegen/cuda/prelude.ts";
import { ELEMENT_BYTES } from "../../tensor.ts";

/** Types that dense math computes with on cuda; sums are taken in f32. */
export type Element = "f32" | "bf16";
export const ELEMENTS: readonly Element[] = ["f32", "bf16"];

/** What distinguishes a kernel from its siblings: names of types, and of numbers that are known when it is compiled. */
export type Variant = Readonly<Record<string, Element | number>>;

/** CUDA C++ of one kernel, without `densePrelude`; sources can stand one after the other. */
export interface Kernel {
  readonly name: string;
  readonly source: string;
}

/** The kernels of one definition. */
export interface KernelFamily {
  (variant: Variant): Kernel;
  /** Every variant that is launched. */
  readonly all: readonly Kernel[];
}

export interface KernelDefinition {
  name: string;
  variants: readonly Variant[];
  parameters: string;
  /** Declared before the kernel. */
  functions?: string;
  body: string;
}

/** Threads of a block. */
export const THREADS = 256;
/** Bytes of the widest access to memory. */
const ACCESS_BYTES = 16;

/** What every dense kernel begins with: vectors of elements read as f32s, divisions that are quick where 32 bits suffice, and loops that sum. */
export const densePrelude: string = `${prelude}
__device__ inline long long thread() { return blockIdx.x * (long long)blockDim.x + threadIdx.x; }
__device__ inline long long quotient(long long a, int b) { return a >> 32 ? a / b : (unsigned int)a / (unsigned int)b; }
__device__ inline int remainder(long long a, int b) { return a >> 32 ? a % b : (unsigned int)a % (unsigned int)b; }

// V elements from the multiple of V \`at\` on, as far as there are so many.
template <int V, typename T> __device__ inline Vector<float, V> read(const T* from, long long at, long long size) {
  Vector<float, V> y;
  if (at + V <= size) {
    const Vector<T, V> x = load<V>(from + at);
    for (int k = 0; k < V; ++k) y.at[k] = to_float(x.at[k]);
  } else {
    for (int k = 0; k < V; ++k) y.at[k] = at + k < size ? to_float(from[at + k]) : 0.0f;
  }
  return y;
}
template <int V, typename T> __device__ inline void write(T* to, long long at, long long size, const Vector<float, V>& x) {
  if (at + V <= size) {
    Vector<T, V> y;
    for (int k = 0; k < V; ++k) from_float(y.at[k], x.at[k]);
    store(to + at, y);
  } else {
    for (int k = 0; k < V && at + k < size; ++k) from_float(to[at + k], x.at[k]);
  }
}

// Where there is no end to heed: vectors of V elements, counted.
template <int V, typename T> __device__ inline Vector<float, V> read(const T* from, long long i) {
  const Vector<T, V> x = load<V>(from + i * V);
  Vector<float, V> y;
  for (int k = 0; k < V; ++k) y.at[k] = to_float(x.at[k]);
  return y;
}
template <int V, typename T> __device__ inline void write(T* to, long long i, const Vector<float, V>& x) {
  Vector<T, V> y;
  for (int k = 0; k < V; ++k) from_float(y.at[k], x.at[k]);
  store(to + i * V, y);
}

// Adds what is loaded at \`at\`, \`at\` + step, ... before \`end\`, with four loads under way at once: a bound check before each would hold them up.
template <typename Load, typename Add> __device__ inline void inPieces(long long at, const long long end, const long long step, Load load, Add add) {
  for (; at + 3 * step < end; at += 4 * step) {
    const auto first = load(at), second = load(at + step), third = load(at + 2 * step), fourth = load(at + 3 * step);
    add(first);
    add(second);
    add(third);
    add(fourth);
  }
  for (; at < end; at += step) add(load(at));
}
`;

const made = new Map<string, Kernel>();

/** Kernels of one body, apart in types and numbers; one variant is one object. */
export function kernels({ name, variants, parameters, functions = "", body }: KernelDefinition): KernelFamily {
  const of = (variant: Variant): Kernel => {
    const full = [name, ...Object.entries(variant).map(([key, value]) => `${key}${value}`)].join("_");
    let kernel = made.get(full);
    if (!kernel) {
      const declared = Object.entries(variant).map(([key, value]) => (typeof value === "number" ? `constexpr int ${key} = ${value};\n` : `typedef ${elementTypes[value]} ${key};\n`));
      const entry = `extern "C" __global__ void __launch_bounds__(${THREADS}) ${full}(${parameters}) {\n${body}\n}\n`;
      const source = `namespace of_${full} {\n${declared.join("")}${functions}${entry}}\nusing of_${full}::${full};\n`;
      made.set(full, (kernel = { name: full, source }));
    }
    return kernel;
  };
  return Object.assign(of, { all: variants.map(of) });
}

/** Elements of the widest access to memory, where one thread accesses all these types. */
export const lanesOf = (...types: readonly Element[]): number => ACCESS_BYTES / Math.max(...types.map((type) => ELEMENT_BYTES[type]));

/** How many elements of a row of `length` a thread takes at once: as many as an access holds and divide the row. */
export function vectorOf(length: number, ...types: readonly Element[]): number {
  let vector = lanesOf(...types);
  while (length % vector !== 0) vector /= 2;
  return vector;
}

/** Every V that `vectorOf` gives for these types. */
export const vectors = (...types: readonly Element[]): number[] => [1, 2, 4, 8].filter((vector) => vector <= lanesOf(...types));

/** All pairs of types. */
export const pairs = ELEMENTS.flatMap((first) => ELEMENTS.map((second) => [first, second] as const));
