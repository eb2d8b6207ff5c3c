import { SpikefoldError } from "../../errors.ts";
import { encodeBody, unsigned, valueTypes } from "./encode.ts";
import { type Expression, parse } from "./parse.ts";

/**
 * Turns the WebAssembly text of `wasmModule` into a module's bytes: a memory is imported, and functions follow, their instructions
 * folded (operands inside). Of the text format it knows what the emitter writes, not more.
 */
export function assemble(name: string, text: string): Uint8Array {
  try {
    return Uint8Array.from(encodeModule(parse(text)));
  } catch (cause) {
    throw new SpikefoldError(`the WebAssembly text of ${name} does not assemble, which is a bug of spikefold: ${(cause as Error).message}`, { cause });
  }
}

const MAGIC_AND_VERSION = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const FUNCTION_TYPE = 0x60;
const KIND_FUNCTION = 0x00;
const KIND_MEMORY = 0x02;
const SHARED_WITH_MAXIMUM = 0x03;
const Section = { type: 1, import: 2, function: 3, export: 7, code: 10 } as const;

function encodeModule(module: Expression): number[] {
  const fields = listOf(module, "module");
  const functions = fields.filter((field) => field[0] === "func").map(readFunction);
  const functionIndex = new Map(functions.map(({ name }, i) => [name, i]));
  const types = [...new Set(functions.map(({ type }) => type.join()))];
  const sections: [number, number[][]][] = [
    [Section.type, types.map((type) => type.split(",").map(Number))],
    [Section.import, fields.filter((field) => field[0] === "import").map(encodeImport)],
    [Section.function, functions.map(({ type }) => unsigned(types.indexOf(type.join())))],
    [Section.export, functions.flatMap(({ exported }, i) => (exported ? [[...string(exported), KIND_FUNCTION, ...unsigned(i)]] : []))],
    [Section.code, functions.map(({ locals, declarations, body }) => sized(declarations.concat(encodeBody(body, { locals, functions: functionIndex }))))],
  ];
  return MAGIC_AND_VERSION.concat(...sections.map(([id, items]) => [id].concat(sized(unsigned(items.length).concat(...items)))));
}

interface FunctionText {
  name: string;
  exported: string | undefined;
  type: number[];
  /** Parameters and locals by their indices. */
  locals: Map<string, number>;
  /** Of the locals: how many of each type, in their order. */
  declarations: number[];
  body: Expression[];
}

function readFunction([, ...parts]: Expression[]): FunctionText {
  const declared = (kind: string) => parts.filter((part) => Array.isArray(part) && part[0] === kind) as string[][];
  const [params, results, locals, exports] = ["param", "result", "local", "export"].map(declared);
  const typesOf = (list: string[][]): number[] => list.map((declaration) => valueTypes[declaration.at(-1)!]);
  const runs: [count: number, type: number][] = [];
  for (const type of typesOf(locals)) {
    if (runs.at(-1)?.[1] === type) runs.at(-1)![0]++;
    else runs.push([1, type]);
  }
  const vectorOf = (types: number[]): number[] => unsigned(types.length).concat(types);
  return {
    name: typeof parts[0] === "string" ? parts[0] : "",
    exported: exports[0] && unquoted(exports[0][1]),
    type: [FUNCTION_TYPE, ...vectorOf(typesOf(params)), ...vectorOf(typesOf(results))],
    locals: new Map([...params, ...locals].map(([, local], i) => [local, i])),
    declarations: unsigned(runs.length).concat(...runs.map(([count, type]) => [...unsigned(count), type])),
    body: parts.filter((part) => Array.isArray(part) && !["param", "result", "local", "export"].includes(part[0] as string)),
  };
}

/** `(import "env" "memory" (memory minimum maximum shared))`. */
function encodeImport([, module, name, memory]: Expression[]): number[] {
  const [minimum, maximum] = listOf(memory, "memory").map(Number);
  return [...string(unquoted(module)), ...string(unquoted(name)), KIND_MEMORY, SHARED_WITH_MAXIMUM, ...unsigned(minimum), ...unsigned(maximum)];
}

function listOf(expression: Expression, head: string): Expression[][] {
  if (!Array.isArray(expression) || expression[0] !== head) throw new SyntaxError(`(${head} …) was expected`);
  return expression.slice(1) as Expression[][];
}

const unquoted = (text: Expression): string => (text as string).slice(1, -1);
const string = (text: string): number[] => sized([...new TextEncoder().encode(text)]);
const sized = (bytes: number[]): number[] => unsigned(bytes.length).concat(bytes);
