import type { SpikeFormat } from "../../fusion/plan.ts";
import { formats } from "../formats.ts";

/** Small pieces of WebAssembly text. */
export const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

export const add = (first: string, ...rest: string[]): string => rest.reduce((sum, term) => `(i32.add ${sum} ${term})`, first);

/** Runs the lines for every vector (or element) of the tile: i = 0, step, 2·step … < $bytes. */
export function each(i: string, step: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  return [
    `(local.set ${i} (i32.const 0))`,
    `(loop $each`,
    ...indent([
      `(local.set $s (i32.add (local.get $scratch) (local.get ${i})))`,
      ...lines,
      `(br_if $each (i32.lt_u (local.tee ${i} (i32.add (local.get ${i}) (i32.const ${step}))) (local.get $bytes)))`,
    ]),
    `)`,
  ];
}

/** For t = from, from + 1, … < to. */
export const up = (t: string, from: string, to: string, lines: readonly string[]): string[] => [
  `(local.set ${t} ${from})`,
  `(block $end (loop $up`,
  ...indent([
    `(br_if $end (i32.ge_s (local.get ${t}) ${to}))`,
    ...lines,
    `(local.set ${t} (i32.add (local.get ${t}) (i32.const 1)))`,
    `(br $up)`,
  ]),
  `))`,
];

/** For t = from, from − 1, … ≥ to. */
export const down = (t: string, from: string, to: string, lines: readonly string[]): string[] => [
  `(local.set ${t} ${from})`,
  `(block $end (loop $down`,
  ...indent([
    `(br_if $end (i32.lt_s (local.get ${t}) ${to}))`,
    ...lines,
    `(local.set ${t} (i32.sub (local.get ${t}) (i32.const 1)))`,
    `(br $down)`,
  ]),
  `))`,
];

export const offsetLoad = (base: string, offset: number): string => `(v128.load offset=${offset} (local.get ${base}))`;
export const offsetStore = (base: string, offset: number, value: string): string => `(v128.store offset=${offset} (local.get ${base}) ${value})`;

/** Arrays of one tile in the scratch area of a thread, addressed as $s (= $scratch + i) plus a constant. */
export class Scratch {
  /** Bytes of one array. */
  readonly row: number;
  bytes = 0;
  readonly #offsets = new Map<string, number>();

  constructor(row: number) {
    this.row = row;
  }

  offset(name: string, bytes = this.row): number {
    let offset = this.#offsets.get(name);
    if (offset === undefined) {
      this.#offsets.set(name, (offset = this.bytes));
      this.bytes += bytes;
    }
    return offset;
  }

  at(name: string): string { return `offset=${this.offset(name)} (local.get $s)`; }
  load(name: string): string { return offsetLoad("$s", this.offset(name)); }
  store(name: string, value: string): string { return offsetStore("$s", this.offset(name), value); }
}

/** A byte offset into f32 elements, turned into one into elements of the format. */
export function shifted(format: SpikeFormat, bytes: string): string {
  const shift = { 4: 0, 2: 1, 1: 2 }[formats[format].bytes];
  return shift ? `(i32.shr_u ${bytes} (i32.const ${shift}))` : bytes;
}

/** Stores four spikes (0 or 1 as f32) in a format narrower than f32. */
export function storeSpike(kernel: { locals: Set<string> }, scratch: Scratch, name: string, row: string, format: SpikeFormat, value: string): string[] {
  const mask = `(f32x4.ne ${value} (v128.const i32x4 0 0 0 0))`;
  const address = `(i32.add (local.get ${row}) ${shifted(format, "(local.get $i)")})`;
  const { one } = formats[format];
  switch (format) {
    case "f16": case "bf16": case "u8": {
      const words = `(v128.and (i16x8.narrow_i32x4_s ${mask} ${mask}) (v128.const i16x8 ${Array(8).fill(one).join(" ")}))`;
      if (format !== "u8") return [`(i64.store ${address} (i64x2.extract_lane 0 ${words}))`];
      return [`(i32.store ${address} (i32x4.extract_lane 0 (i8x16.narrow_i16x8_u ${words} ${words})))`];
    }
    case "bits": {
      const word = `$word.${name}`;
      kernel.locals.add(word);
      const bit = `(v128.and ${mask} (i32x4.shl (v128.const i32x4 1 1 1 1) (i32.and (local.get $t) (i32.const 31))))`;
      const before = `(if (result v128) (i32.and (local.get $t) (i32.const 31)) (then ${scratch.load(`word.${name}`)}) (else (v128.const i32x4 0 0 0 0)))`;
      return [
        `(local.set ${word} (v128.or ${before} ${bit}))`,
        scratch.store(`word.${name}`, `(local.get ${word})`),
        `(if (i32.or (i32.eq (i32.and (local.get $t) (i32.const 31)) (i32.const 31)) (i32.eq (i32.add (local.get $t) (i32.const 1)) (local.get $steps)))`,
        `  (then (v128.store ${address} (local.get ${word}))))`,
      ];
    }
    case "f32": return [`(v128.store ${address} ${value})`];
  }
}
