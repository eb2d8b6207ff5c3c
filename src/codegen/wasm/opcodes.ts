/** What the emitter uses of WebAssembly's instructions (core specification 2.0, section 5.4). */
export type Instruction = {
  code: readonly number[];
  /** Of a load or a store: log₂ of the bytes that it moves, its natural alignment. */
  align?: number;
  /** Whether the number of a lane follows. */
  lane?: boolean;
};

const VECTOR = 0xfd;
/** A vector instruction: a prefix, then its number in LEB128. */
const vector = (number: number): number[] => (number < 0x80 ? [VECTOR, number] : [VECTOR, (number & 0x7f) | 0x80, number >>> 7]);

const plain = (prefix: string, names: Record<string, number>, encode: (number: number) => number[]): [string, Instruction][] =>
  Object.entries(names).map(([name, number]) => [`${prefix}.${name}`, { code: encode(number) }]);

export const instructions: ReadonlyMap<string, Instruction> = new Map([
  ...plain("i32", {
    eqz: 0x45, eq: 0x46, ne: 0x47, lt_s: 0x48, lt_u: 0x49, gt_s: 0x4a, gt_u: 0x4b, le_s: 0x4c, le_u: 0x4d, ge_s: 0x4e, ge_u: 0x4f,
    add: 0x6a, sub: 0x6b, mul: 0x6c, div_s: 0x6d, div_u: 0x6e, rem_s: 0x6f, rem_u: 0x70, and: 0x71, or: 0x72, xor: 0x73,
    shl: 0x74, shr_s: 0x75, shr_u: 0x76,
  }, (number) => [number]),
  ...plain("v128", { not: 77, and: 78, andnot: 79, or: 80, xor: 81, bitselect: 82, any_true: 83 }, vector),
  ...plain("f32x4", {
    eq: 65, ne: 66, lt: 67, gt: 68, le: 69, ge: 70, ceil: 103, floor: 104, trunc: 105, nearest: 106,
    abs: 224, neg: 225, sqrt: 227, add: 228, sub: 229, mul: 230, div: 231, min: 232, max: 233, pmin: 234, pmax: 235, convert_i32x4_s: 250, relaxed_madd: 261,
  }, vector),
  ...plain("i32x4", { shl: 171, shr_s: 172, shr_u: 173, add: 174, sub: 177 }, vector),
  ...plain("i16x8", { narrow_i32x4_s: 133 }, vector),
  ...plain("i8x16", { narrow_i16x8_u: 102 }, vector),
  ["i32x4.extract_lane", { code: vector(27), lane: true }],
  ["i64x2.extract_lane", { code: vector(29), lane: true }],
  ["drop", { code: [0x1a] }],
  ["i32.load8_u", { code: [0x2d], align: 0 }],
  ["i32.load", { code: [0x28], align: 2 }],
  ["i32.store", { code: [0x36], align: 2 }],
  ["i64.store", { code: [0x37], align: 3 }],
  ["v128.load", { code: vector(0), align: 4 }],
  ["v128.load32_splat", { code: vector(9), align: 2 }],
  ["v128.store", { code: vector(11), align: 4 }],
]);

export const V128_CONST = vector(12);
