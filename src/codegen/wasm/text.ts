import type { SpikeFormat } from "../../fusion/plan.ts";
import { formats } from "../formats.ts";

/** Small pieces of WebAssembly text. */
export const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

export const add = (first: string, ...rest: string[]): string => rest.reduce((sum, term) => `(i32.add ${sum} ${term})`, first);

/** Runs the lines for i = 0, step, 2·step … < end, by default $bytes, with $s at byte i of the scratch. */
export const each = (step: number, lines: readonly string[], end = "(local.get $bytes)"): string[] => [
  `(local.set $i (i32.const 0))`,
  `(loop $each`,
  ...indent([
    `(local.set $s (i32.add (local.get $scratch) (local.get $i)))`,
    ...lines,
    `(br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const ${step}))) ${end}))`,
  ]),
  `)`,
];

/** For t = from, from + 1, … < to. */
export const up = (t: string, from: string, to: string, lines: readonly string[]): string[] => counted(t, from, `(i32.ge_s (local.get ${t}) ${to})`, "i32.add", lines);

/** For t = from, from − 1, … ≥ to. */
export const down = (t: string, from: string, to: string, lines: readonly string[]): string[] => counted(t, from, `(i32.lt_s (local.get ${t}) ${to})`, "i32.sub", lines);

const counted = (t: string, from: string, end: string, next: string, lines: readonly string[]): string[] => [
  `(local.set ${t} ${from})`,
  `(block $end (loop $steps`,
  ...indent([
    `(br_if $end ${end})`,
    ...lines,
    `(local.set ${t} (${next} (local.get ${t}) (i32.const 1)))`,
    `(br $steps)`,
  ]),
  `))`,
];

export const offsetLoad = (address: string, offset: number): string => `(v128.load offset=${offset} ${address})`;
export const offsetStore = (address: string, offset: number, value: string): string => `(v128.store offset=${offset} ${address} ${value})`;

/** Arrays of one tile in the scratch area of a thread; vector u of a round lies at $s (= $scratch + i) plus a constant. */
export class Scratch {
  /** Bytes from one array to the next. */
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

  loadAt(base: string, name: string): string { return offsetLoad(`(local.get ${base})`, this.offset(name, 16)); }
  storeAt(base: string, name: string, value: string): string { return offsetStore(`(local.get ${base})`, this.offset(name, 16), value); }
  load(name: string, u: number): string { return offsetLoad("(local.get $s)", this.offset(name) + 16 * u); }
  store(name: string, value: string, u: number): string { return offsetStore("(local.get $s)", this.offset(name) + 16 * u, value); }
}

/** The byte offset of an element of a format. */
export function elementOffset(format: SpikeFormat, index: string): string {
  const shift = Math.log2(formats[format].bytes);
  return shift ? `(i32.shl ${index} (i32.const ${shift}))` : index;
}

/** A byte offset into f32 elements, turned into one into elements of the format. */
export function shifted(format: SpikeFormat, bytes: string): string {
  const shift = { 4: 0, 2: 1, 1: 2 }[formats[format].bytes];
  return shift ? `(i32.shr_u ${bytes} (i32.const ${shift}))` : bytes;
}

/** Stores vector u of a round of spikes (0 or 1 as f32) in a format narrower than f32. */
export function storeSpike(locals: Set<string>, scratch: Scratch, name: string, row: string, format: SpikeFormat, value: string, u: number): string[] {
  const mask = `(f32x4.ne ${value} (v128.const i32x4 0 0 0 0))`;
  const address = `(i32.add (local.get ${row}) ${shifted(format, "(local.get $i)")})`;
  const { one, bytes } = formats[format];
  const offset = `offset=${4 * bytes * u}`;
  if (format === "bits") {
    const word = `$word.${name}.${u}`;
    locals.add(word);
    const bit = `(v128.and ${mask} (i32x4.shl (v128.const i32x4 1 1 1 1) (i32.and (local.get $t) (i32.const 31))))`;
    const before = `(if (result v128) (i32.and (local.get $t) (i32.const 31)) (then ${scratch.load(`word.${name}`, u)}) (else (v128.const i32x4 0 0 0 0)))`;
    return [
      `(local.set ${word} (v128.or ${before} ${bit}))`,
      scratch.store(`word.${name}`, `(local.get ${word})`, u),
      `(if (i32.or (i32.eq (i32.and (local.get $t) (i32.const 31)) (i32.const 31)) (i32.eq (i32.add (local.get $t) (i32.const 1)) (local.get $steps))) (then (v128.store ${offset} ${address} (local.get ${word}))))`,
    ];
  }
  const words = `(v128.and (i16x8.narrow_i32x4_s ${mask} ${mask}) (v128.const i16x8 ${Array(8).fill(one).join(" ")}))`;
  if (format !== "u8") return [`(i64.store ${offset} ${address} (i64x2.extract_lane 0 ${words}))`];
  return [`(i32.store ${offset} ${address} (i32x4.extract_lane 0 (i8x16.narrow_i16x8_u ${words} ${words})))`];
}
