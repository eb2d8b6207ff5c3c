import { instructions, V128_CONST } from "./opcodes.ts";
import type { Expression } from "./parse.ts";

/** Unsigned LEB128. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 0x7f; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  return [...bytes, value];
}

/** Signed LEB128 of 32 bits. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  for (; value < -0x40 || value > 0x3f; value >>= 7) bytes.push((value & 0x7f) | 0x80);
  return [...bytes, value & 0x7f];
}

export const valueTypes: Readonly<Record<string, number>> = { i32: 0x7f, v128: 0x7b };
const NO_VALUE = 0x40;
const END = 0x0b;

/** Where names of a function lead to. */
export interface Names {
  locals: ReadonlyMap<string, number>;
  functions: ReadonlyMap<string, number>;
}

/** The code of a function's instructions, each with its operands inside, and its end. */
export function encodeBody(body: readonly Expression[], names: Names): number[] {
  const code: number[] = [];
  const labels: string[] = [];
  const all = (list: readonly Expression[]): void => list.forEach(one);

  function one(expression: Expression): void {
    if (typeof expression === "string") throw new SyntaxError(`an instruction was expected, found ${expression}`);
    const [name, ...rest] = expression as [string, ...Expression[]];
    const structured = forms[name];
    if (structured) return structured(rest);
    const found = instructions.get(name);
    if (!found) throw new SyntaxError(`there is no instruction ${name}`);
    const offset = found.align !== undefined && typeof rest[0] === "string" ? Number((rest.shift() as string).slice("offset=".length)) : 0;
    const lane = found.lane ? [Number(rest.shift())] : [];
    all(rest);
    code.push(...found.code, ...lane, ...(found.align === undefined ? [] : [found.align, ...unsigned(offset)]));
  }

  const nested = (label: string, start: readonly number[], inner: () => void): void => {
    code.push(...start);
    labels.push(label);
    inner();
    labels.pop();
    code.push(END);
  };
  const labelled = (opcode: number) => ([label, ...inner]: Expression[]): void => nested(label as string, [opcode, NO_VALUE], () => all(inner));
  const named = (opcode: number, index: (name: string) => number) => ([name, ...operands]: Expression[]): void => {
    all(operands);
    code.push(opcode, ...unsigned(index(name as string)));
  };
  const among = (known: ReadonlyMap<string, number>) => (name: string): number => {
    const index = known.get(name);
    if (index === undefined) throw new SyntaxError(`${name} is not declared`);
    return index;
  };
  const depth = (label: string): number => {
    const index = labels.lastIndexOf(label);
    if (index < 0) throw new SyntaxError(`there is no label ${label} around a branch to it`);
    return labels.length - 1 - index;
  };

  const forms: Record<string, (rest: Expression[]) => void> = {
    block: labelled(0x02),
    loop: labelled(0x03),
    if(rest) {
      const isPart = (each: Expression, part: string): each is Expression[] => Array.isArray(each) && each[0] === part;
      const result = rest.find((each) => isPart(each, "result")) as string[] | undefined;
      all(rest.filter((each) => !["result", "then", "else"].some((part) => isPart(each, part))));
      const parts = rest.filter((each) => isPart(each, "then") || isPart(each, "else")) as Expression[][];
      nested("", [0x04, result ? valueTypes[result[1]] : NO_VALUE], () => parts.forEach(([part, ...inner]) => {
        if (part === "else") code.push(0x05);
        all(inner);
      }));
    },
    br: named(0x0c, depth),
    br_if: named(0x0d, depth),
    call: named(0x10, among(names.functions)),
    "local.get": named(0x20, among(names.locals)),
    "local.set": named(0x21, among(names.locals)),
    "local.tee": named(0x22, among(names.locals)),
    "i32.const": ([value]) => void code.push(0x41, ...signed(Number(value) | 0)),
    "v128.const": ([shape, ...lanes]) => void code.push(...V128_CONST, ...vectorBytes(shape as string, lanes as string[])),
  };

  all(body);
  return [...code, END];
}

/** The 16 bytes of lanes i32x4, i16x8 or f32x4. */
function vectorBytes(shape: string, lanes: readonly string[]): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  const write: Record<string, (lane: string, i: number) => void> = {
    i32x4: (lane, i) => view.setInt32(4 * i, Number(lane), true),
    i16x8: (lane, i) => view.setInt16(2 * i, Number(lane), true),
    f32x4: (lane, i) => view.setFloat32(4 * i, Number(lane.replace("inf", "Infinity")), true),
  };
  lanes.forEach(write[shape]);
  return bytes;
}
