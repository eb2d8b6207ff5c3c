import type { SpikeFormat } from "../../fusion/plan.ts";
import { formats } from "../formats.ts";
import type { Vector } from "./literal.ts";

/** Type names of a thread's values, 1, 2 or 4 side by side. */
export const types = { f32: (n: number): Vector => (n === 1 ? "f32" : n === 2 ? "vec2f" : "vec4f"), u32: (n: number): string => (n === 1 ? "u32" : `vec${n}u`) };

const lanes = "xyzw";

/** Whole words that a thread's elements of a row fill, or null where several threads share a word. */
export function wordsOf(format: SpikeFormat, vector: number): number | null {
  const words = (vector * formats[format].bytes) / 4;
  return Number.isInteger(words) ? words : null;
}

/** A thread's 16-bit elements as numbers: from whole words, or one of them from the low half of a word. */
export function decoder(format: "f16" | "bf16", vector: number): string {
  const pair = (word: string): string => (format === "f16" ? `unpack2x16float(${word})` : `bitcast<vec2f>(vec2u(${word} << 16u, ${word} & 0xffff0000u))`);
  const [words, value] = vector === 4 ? ["vec2u", `vec4f(${pair("words.x")}, ${pair("words.y")})`] : ["u32", vector === 2 ? pair("words") : `${pair("words")}.x`];
  return `fn ${decoderName(format)}(words: ${words}) -> ${types.f32(vector)} {\n  return ${value};\n}`;
}

export const decoderName = (format: "f16" | "bf16"): string => (format === "f16" ? "fromHalf" : "fromBfloat");

export const encoderName = (format: "f16" | "bf16"): string => (format === "f16" ? "toHalf" : "toBfloat");

/**
 * Numbers to 16-bit elements, each in a word of its own, rounded to nearest even. (WGSL's pack2x16float may round up or down.)
 */
export function encoder(format: "f16" | "bf16", vector: number): string {
  const [V, U] = [types.f32(vector), types.u32(vector)];
  if (format === "bf16") {
    return `fn toBfloat(x: ${V}) -> ${U} {
  let bits = bitcast<${U}>(x);
  return select((bits + 0x7fffu + ((bits >> ${U}(16u)) & ${U}(1u))) >> ${U}(16u), ${U}(0x7fffu), (bits & ${U}(0x7fffffffu)) > ${U}(0x7f800000u));
}`;
  }
  // 65520 and above is infinity; below 2^-14 the sum with 0.5 rounds to a multiple of the smallest subnormal.
  return `fn toHalf(x: ${V}) -> ${U} {
  let bits = bitcast<${U}>(x) & ${U}(0x7fffffffu);
  let normal = (bits - ${U}(0x38000000u) + ${U}(0xfffu) + ((bits >> ${U}(13u)) & ${U}(1u))) >> ${U}(13u);
  let small = bitcast<${U}>(abs(x) + 0.5) - ${U}(0x3f000000u);
  let magnitude = select(select(normal, small, bits < ${U}(0x38800000u)), ${U}(0x7c00u), bits >= ${U}(0x477ff000u));
  let sign = (bitcast<${U}>(x) >> ${U}(16u)) & ${U}(0x8000u);
  return select(sign | magnitude, ${U}(0x7fffu), bits > ${U}(0x7f800000u));
}`;
}

/** A thread's elements, each in a word of its own, put into the words that they fill. */
export function packer(bytes: 1 | 2, vector: number): string {
  const word = (first: number): string => Array.from({ length: 4 / bytes }, (_, i) => (i === 0 ? `codes.${lanes[first]}` : `(codes.${lanes[first + i]} << ${8 * bytes * i}u)`)).join(" | ");
  const [words, value] = vector * bytes === 8 ? ["vec2u", `vec2u(${word(0)}, ${word(2)})`] : ["u32", word(0)];
  return `fn ${packerName(bytes)}(codes: ${types.u32(vector)}) -> ${words} {\n  return ${value};\n}`;
}

export const packerName = (bytes: 1 | 2): string => (bytes === 1 ? "packBytes" : "packHalves");

/** Stores one element into a word that it shares with other threads' elements: each changes its own bits alone, so the order does not matter. */
export const sharedStore = (name: string, variable: string, bytes: 1 | 2): string => `fn ${name}(at: u32, code: u32) {
  let shift = at % ${4 / bytes}u * ${8 * bytes}u;
  atomicAnd(&${variable}[at / ${4 / bytes}u], ~(${bytes === 1 ? "0xffu" : "0xffffu"} << shift));
  atomicOr(&${variable}[at / ${4 / bytes}u], code << shift);
}`;

/** One component of a thread's values. */
export const lane = (value: string, vector: number, i: number): string => (vector === 1 ? value : `${value}.${lanes[i]}`);
