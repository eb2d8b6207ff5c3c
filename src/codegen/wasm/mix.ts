import type { Mix, Plan } from "../../fusion/plan.ts";
import { pointer, row, type Kernel } from "./kernel.ts";
import { indent } from "./text.ts";

/**
 * The product of a recurrent layer with its weights, within the kernels' walk through time. A tile is whole samples. The weights come in panels of so many columns,
 * [⌈C/columns⌉, ⌈C/4⌉·4, columns] with zeros where the matrix ends: forward W itself, backward its transpose.
 */
export const FORWARD_COLUMNS = 32;
export const BACKWARD_COLUMNS = 8;

const ZERO = "(v128.const f32x4 0 0 0 0)";
const get = (name: string): string => `(local.get $mix.${name})`;
const set = (name: string, value: string): string => `(local.set $mix.${name} ${value})`;
const sum = (a: string, b: string | number): string => `(i32.add ${a} ${typeof b === "number" ? `(i32.const ${b})` : b})`;
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Runs the lines while `at` < `stop`. */
const during = (at: string, stop: string, lines: readonly string[]): string[] => [
  `(block $over (loop $more`, ...indent([`(br_if $over (i32.ge_u ${get(at)} ${get(stop)}))`, ...lines, `(br $more)`]), `))`,
];

function declare(kernel: Kernel, integers: readonly string[], vectors: readonly string[]): void {
  for (const name of integers) kernel.integers.add(`$mix.${name}`);
  for (const name of vectors) kernel.locals.add(`$mix.${name}`);
}

/** Bytes of a sample in a row of f32, and of a panel of the weights. */
const sizes = (columns: number): string[] => [
  set("bytes", "(i32.shl (local.get $channels) (i32.const 2))"),
  set("panel", `(i32.mul (i32.and (i32.add (local.get $channels) (i32.const 3)) (i32.const -4)) (i32.const ${4 * columns}))`),
];

/** Whether the mixed state is a spike, 0 or 1, at every step. */
const isBinary = ({ neuron, initialState }: Plan, { state }: Mix): boolean =>
  neuron.next[state].node.kind === "spike" && !initialState && (neuron.state[state] === 0 || neuron.state[state] === 1);

/** Of each sample of the tile: lists the neurons that fired, and adds their rows of W. The sums are left in the scratch's row `input`. */
export function mixForward(kernel: Kernel, plan: Plan, mix: Mix): string[] {
  const { scratch } = kernel;
  const binary = isBinary(plan, mix);
  const entry = binary ? 4 : 8;
  const accumulators = range(FORWARD_COLUMNS / 4).map((i) => `sum${i}`);
  declare(kernel, ["bytes", "panel", "sample", "list", "end", "at", "stop", "from", "out", "weights"], [...accumulators, ...(binary ? [] : ["value"])]);
  const rowOf = (name: string): string => sum(sum("(local.get $scratch)", scratch.offset(name)), get("sample"));
  const list = scratch.offset("mix.list", (entry / 4) * (scratch.row + entry));

  /** An entry is written whatever the neuron did, and kept if it fired. */
  const note = (lane: number): string[] => {
    const bits = `(i32.load offset=${4 * lane} ${get("at")})`;
    return [
      `(i32.store offset=0 ${get("end")} ${sum(get("from"), 4 * FORWARD_COLUMNS * lane)})`,
      ...(binary ? [] : [`(i32.store offset=4 ${get("end")} ${bits})`]),
      set("end", sum(get("end"), `(i32.shl (i32.ne ${bits} (i32.const 0)) (i32.const ${Math.log2(entry)}))`)),
    ];
  };
  const scan = (lanes: number, lines: readonly string[]): string[] =>
    during("at", "stop", [...lines, set("at", sum(get("at"), 4 * lanes)), set("from", sum(get("from"), 4 * FORWARD_COLUMNS * lanes))]);
  const addRows = during("at", "end", [
    set("from", sum(get("weights"), `(i32.load offset=0 ${get("at")})`)),
    ...(binary ? [] : [set("value", `(v128.load32_splat offset=4 ${get("at")})`)]),
    ...accumulators.map((name, i) => {
      const weights = `(v128.load offset=${16 * i} ${get("from")})`;
      return set(name, `(f32x4.add ${get(name)} ${binary ? weights : `(f32x4.mul ${get("value")} ${weights})`})`);
    }),
    set("at", sum(get("at"), entry)),
  ]);

  return [
    `;; ${mix.input}: the rows of the weights of the neurons whose ${mix.state} is not 0, added up`,
    ...sizes(FORWARD_COLUMNS),
    set("list", sum("(local.get $scratch)", list)),
    set("sample", "(i32.const 0)"),
    `(loop $samples`,
    ...indent([
      set("at", rowOf(`state.${mix.state}`)),
      set("end", get("list")),
      set("from", "(i32.const 0)"),
      set("stop", sum(get("at"), `(i32.and ${get("bytes")} (i32.const -16))`)),
      ...scan(4, [`(if (v128.any_true (v128.load ${get("at")})) (then`, ...indent(range(4).flatMap(note)), `))`]),
      set("stop", sum(rowOf(`state.${mix.state}`), get("bytes"))),
      ...scan(1, note(0)),
      set("out", rowOf(mix.input)),
      set("stop", sum(get("out"), get("bytes"))),
      set("weights", `(local.get ${pointer("mix.weights")})`),
      `(loop $panels`,
      ...indent([
        ...accumulators.map((name) => set(name, ZERO)),
        set("at", get("list")),
        ...addRows,
        // Beyond a sample's end lies the next one's row, which is written later.
        ...accumulators.map((name, i) => `(v128.store offset=${16 * i} ${get("out")} ${get(name)})`),
        set("weights", sum(get("weights"), get("panel"))),
        set("out", sum(get("out"), 4 * FORWARD_COLUMNS)),
        `(br_if $panels (i32.lt_u ${get("out")} ${get("stop")}))`,
      ]),
      `)`,
      set("sample", sum(get("sample"), get("bytes"))),
      `(br_if $samples (i32.lt_u ${get("sample")} (local.get $bytes)))`,
    ]),
    `)`,
  ];
}

/**
 * adjoint.state += grad.input · Wᵀ for the tile's samples at once. Four rows of a panel stay in registers while all samples pass, as in the dense products
 * (`multiplyBlock`). `samples` is the most that a tile has; with `fma`, products are added by relaxed SIMD's multiply-add.
 */
export function mixBackward(kernel: Kernel, mix: Mix, { samples, fma }: { samples: number; fma: boolean }): string[] {
  const { scratch } = kernel;
  const depth = 4;
  const factors = range(depth).flatMap((k) => range(2).map((half) => `b${k}${half}`));
  declare(kernel, ["bytes", "panel", "weights", "at", "stop", "tile", "end", "out", "last", "next", "x", "c"], [...factors, ...range(depth).map((k) => `x${k}`)]);
  const tile = scratch.offset("mix.tile", 4 * BACKWARD_COLUMNS * samples);
  const madd = (a: string, b: string, c: string): string => (fma ? `(f32x4.relaxed_madd ${a} ${b} ${c})` : `(f32x4.add (f32x4.mul ${a} ${b}) ${c})`);
  const overSamples = (lines: readonly string[]): string[] => [
    set("c", get("tile")),
    `(loop $samples`, ...indent([...lines, `(br_if $samples (i32.lt_u (local.tee $mix.c ${sum(get("c"), 4 * BACKWARD_COLUMNS)}) ${get("end")}))`]), `)`,
  ];
  /** c += x · b for the next `rows` rows of the panel. */
  const multiply = (rows: number): string[] => [
    ...range(rows).flatMap((k) => range(2).map((half) => set(`b${k}${half}`, `(v128.load offset=${32 * k + 16 * half} ${get("weights")})`))),
    set("weights", sum(get("weights"), 32 * rows)),
    set("x", get("at")),
    ...overSamples([
      ...range(rows).map((k) => set(`x${k}`, `(v128.load32_splat offset=${4 * k} ${get("x")})`)),
      ...range(2).map((half) => `(v128.store offset=${16 * half} ${get("c")} ${range(rows).reduce((c, k) => madd(get(`x${k}`), get(`b${k}${half}`), c), `(v128.load offset=${16 * half} ${get("c")})`)})`),
      set("x", sum(get("x"), get("bytes"))),
    ]),
    set("at", sum(get("at"), 4 * rows)),
  ];
  const gradient = `(local.get ${row(`grad.${mix.input}`)})`;

  return [
    `;; adjoint ${mix.state}: the gradient of ${mix.input} times the transposed weights`,
    ...sizes(BACKWARD_COLUMNS),
    set("tile", sum("(local.get $scratch)", tile)),
    set("end", sum(get("tile"), `(i32.mul (i32.div_u (local.get $bytes) ${get("bytes")}) (i32.const ${4 * BACKWARD_COLUMNS}))`)),
    set("out", sum("(local.get $scratch)", scratch.offset(`adjoint.${mix.state}`))),
    set("last", sum(get("out"), get("bytes"))),
    set("x", `(local.get ${pointer("mix.weights")})`),
    `(loop $panels`,
    ...indent([
      set("weights", get("x")),
      set("next", sum(get("x"), get("panel"))),
      ...overSamples(range(2).map((half) => `(v128.store offset=${16 * half} ${get("c")} ${ZERO})`)),
      set("at", gradient),
      set("stop", sum(gradient, `(i32.and ${get("bytes")} (i32.const -16))`)),
      ...during("at", "stop", multiply(depth)),
      set("stop", sum(gradient, get("bytes"))),
      ...during("at", "stop", multiply(1)),
      // Columns beyond a sample's end are sums of zeros, added to the next one's first.
      set("at", get("out")),
      ...overSamples([
        ...range(2).map((half) => `(v128.store offset=${16 * half} ${get("at")} (f32x4.add (v128.load offset=${16 * half} ${get("at")}) (v128.load offset=${16 * half} ${get("c")})))`),
        set("at", sum(get("at"), get("bytes"))),
      ]),
      set("x", get("next")),
      set("out", sum(get("out"), 4 * BACKWARD_COLUMNS)),
      `(br_if $panels (i32.lt_u ${get("out")} ${get("last")}))`,
    ]),
    `)`,
  ];
}
