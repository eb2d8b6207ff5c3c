import { OptionError, type SpikefoldError } from "./errors.ts";

/** A kind of value that an argument or option may have. */
export interface Kind {
  /** "an integer ≥ 1". */
  readonly expected: string;
  accepts(value: unknown): boolean;
  /** The option must be given. */
  readonly required?: boolean;
}

/** The kind of every option of T. A new option without one does not compile. */
export type OptionKinds<T> = { readonly [K in keyof T]-?: Kind };

type ErrorClass = new (message: string) => SpikefoldError;

export const kind = (expected: string, accepts: (value: unknown) => boolean): Kind => ({ expected, accepts });

const isNumber = (x: unknown): x is number => typeof x === "number";
/** Kernels compute in f32: what overflows or vanishes there is as wrong as what does here. */
const inF32 = (x: unknown): number => (isNumber(x) ? Math.fround(x) : NaN);

/** A finite f32. */
export const finite = kind("a finite number (of 32 bits)", (x) => Number.isFinite(inF32(x)));
export const above = (bound: number): Kind => kind(`a finite number > ${bound} (of 32 bits)`, (x) => Number.isFinite(inF32(x)) && inF32(x) > bound);
export const positive = above(0);
export const notNegative = kind("a finite number ≥ 0 (of 32 bits)", (x) => Number.isFinite(inF32(x)) && (x as number) >= 0);
/** In [0, 1), as an f32 too. */
export const fraction = kind("a number in [0, 1)", (x) => isNumber(x) && x >= 0 && inF32(x) < 1);
/** In [0, 1]. */
export const share = kind("a number in [0, 1]", (x) => isNumber(x) && x >= 0 && x <= 1);
export const integer = (minimum: number, maximum = Number.MAX_SAFE_INTEGER): Kind =>
  kind(maximum === Number.MAX_SAFE_INTEGER ? `an integer ≥ ${minimum}` : `an integer in ${minimum} … ${maximum}`, (x) => Number.isSafeInteger(x) && (x as number) >= minimum && (x as number) <= maximum);
export const flag = kind("true or false", (x) => typeof x === "boolean");
export const text = kind("a text that is not empty", (x) => typeof x === "string" && x !== "");
export const func = kind("a function", (x) => typeof x === "function");
/** Plain, of any realm, or with properties of its own. A Promise or a Map has none: nothing that it holds would be seen. */
export const object = kind("an object", (x) => {
  if (typeof x !== "object" || x === null || Array.isArray(x) || ArrayBuffer.isView(x)) return false;
  const prototype: unknown = Object.getPrototypeOf(x);
  return prototype === null || Object.getPrototypeOf(prototype) === null || Object.keys(x).length > 0;
});
export const oneOf = (...names: readonly string[]): Kind => kind(names.map((name) => JSON.stringify(name)).join(" or "), (x) => names.includes(x as string));
export const listOf = (each: Kind): Kind => kind(`a list, each ${each.expected}`, (x) => Array.isArray(x) && x.every((item) => each.accepts(item)));
export const either = (...kinds: readonly Kind[]): Kind => kind(kinds.map(({ expected }) => expected).join(", or "), (x) => kinds.some((each) => each.accepts(x)));
/** `expected` says how to get one: "a device: await openDevice(\"cpu\")". */
export const instanceOf = (type: { [Symbol.hasInstance](value: unknown): boolean }, expected: string): Kind => kind(expected, (x) => x instanceof type);
/** For what is known by what it can do: devices, tensors. */
export const withMethods = (expected: string, ...names: readonly string[]): Kind =>
  kind(expected, (x) => typeof x === "object" && x !== null && names.every((name) => typeof (x as Record<string, unknown>)[name] === "function"));
/** What may also be left out, as undefined. */
export const optional = ({ expected, accepts }: Kind): Kind => kind(`${expected}, or nothing`, (x) => x === undefined || accepts(x));
export const required = (given: Kind): Kind => ({ ...given, required: true });

/**
 * Refuses an argument of the wrong kind.
 * @throws ErrorClass: "linear: inputs is "784": expected an integer ≥ 1".
 */
export function checkArgument(what: string, name: string, value: unknown, { expected, accepts }: Kind, ErrorType: ErrorClass = OptionError): void {
  if (!accepts(value)) throw new ErrorType(`${what}: ${name} is ${show(value)}: expected ${expected}`);
}

/** Refuses arguments of a function that takes none, which would be ignored. */
export function checkNone(what: string, given: readonly unknown[]): void {
  if (given.length > 0) throw new OptionError(`${what} takes no arguments, got ${show(given[0])}`);
}

/**
 * Refuses options that there are not, with the nearest that there is, and values of the wrong kind. An option that is undefined is not given.
 * @param what whose options: "adam"
 * @throws ErrorClass
 */
export function checkOptions<T extends object>(what: string, given: T, kinds: OptionKinds<T>, ErrorType: ErrorClass = OptionError): void {
  if (!object.accepts(given)) throw new ErrorType(`${what} takes an object of options { ${Object.keys(kinds).join(", ")} }, got ${show(given)}`);
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(kinds, name)) continue;
    const names = Object.keys(kinds);
    throw new ErrorType(`${what} has no option ${name}${suggestion(name, names)}; it has ${names.join(", ") || "none"}`);
  }
  for (const name in kinds) {
    const value: unknown = given[name];
    const expected: Kind = kinds[name];
    if (value !== undefined) checkArgument(what, name, value, expected, ErrorType);
    else if (expected.required) throw new ErrorType(`${what} needs the option ${name}: ${expected.expected}`);
  }
}

/** ": did you mean betas?", or nothing if no name is near. */
export function suggestion(given: string, names: readonly string[]): string {
  const found = nearest(given, names);
  return found === undefined ? "" : `: did you mean ${found}?`;
}

/** The name that most likely was meant, if one is near. */
export function nearest(given: string, names: readonly string[]): string | undefined {
  const word = given.toLowerCase();
  const distances = names.map((name) => ({ name, distance: name.toLowerCase().startsWith(word) && word.length > 1 ? 0.5 : editDistance(word, name.toLowerCase()) }));
  const best = distances.reduce<{ name?: string; distance: number }>((a, b) => (b.distance < a.distance ? b : a), { distance: Infinity });
  return best.distance <= Math.max(1, Math.floor(word.length / 3)) && best.distance < word.length ? best.name : undefined;
}

/** Insertions, deletions, replacements and swaps of neighbours (F. Damerau, 1964; the variant that edits no part twice). */
function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      row.push(Math.min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j], rows[i - 2][j - 2] + 1);
    }
    rows.push(row);
  }
  return rows[a.length][b.length];
}

/** A value as an error names it, short: 3, "abc", a Float32Array of 784, an object { lr }, a function relu. */
export function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === "function") return `a function${value.name ? ` ${value.name}` : ""}`;
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return value.length <= 6 && value.every((item) => typeof item !== "object") ? `[${value.map(show).join(", ")}]` : `a list of ${value.length}`;
  const name: string | undefined = Object.getPrototypeOf(value)?.constructor?.name;
  if (ArrayBuffer.isView(value)) return `a ${name} of ${"length" in value ? value.length : `${value.byteLength} bytes`}`;
  if (name !== undefined && name !== "Object") return `a ${name}`;
  const keys = Object.keys(value);
  return `an object { ${keys.slice(0, 6).join(", ")}${keys.length > 6 ? ", …" : ""} }`;
}
