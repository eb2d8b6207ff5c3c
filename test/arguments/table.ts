import { SpikefoldError } from "../../src/errors.ts";
import { lif } from "../../src/neuron/index.ts";

/** Values of every kind: for almost any argument nearly all of them are wrong. */
const VALUES = {
  undefined: () => undefined,
  null: () => null,
  number: () => 3,
  NaN: () => NaN,
  negative: () => -1,
  fraction: () => 0.5,
  true: () => true,
  text: () => "text",
  "empty text": () => "",
  object: () => ({}),
  "bare object": () => Object.create(null) as object,
  "unknown option": () => ({ nonsense: 1 }),
  list: () => [],
  "list of numbers": () => [1, 2],
  "list of texts": () => ["text"],
  "list of undefined": () => [undefined],
  function: () => () => undefined,
  promise: () => Promise.resolve(3),
  date: () => new Date(0),
  doubles: () => new Float64Array(3),
  symbol: () => Symbol("s"),
  neuron: () => lif(),
} satisfies Record<string, () => unknown>;
type Name = keyof typeof VALUES;

/** An argument or option: how to make a right one, and which of the values above are right, or not wrong in a way that can be seen. */
export interface Argument {
  make: () => unknown;
  right: readonly Name[];
  /** How an error may call it, besides by its name. */
  words?: readonly string[];
  /** Its fields, where it is an object of options. */
  fields?: Record<string, Argument>;
}

/** A function with its arguments in order, by name. */
export interface Row {
  call: (...given: never[]) => unknown;
  arguments: Record<string, Argument>;
  /** Right arguments cannot be had here. */
  incomplete?: boolean;
}

export const argument = (make: () => unknown, ...right: Name[]): Argument => ({ make, right });
export const called = (given: Argument, ...words: string[]): Argument => ({ ...given, words });
export const row = (call: Row["call"], given: Record<string, Argument> = {}): Row => ({ call, arguments: given });

export const count = argument(() => 3, "number");
export const natural = argument(() => 3, "number");
export const positive = argument(() => 0.5, "number", "fraction");
export const notNegative = positive;
export const finite = argument(() => 0.5, "number", "fraction", "negative");
export const share = argument(() => 0.5, "fraction");
export const flag = argument(() => true, "true");
export const text = argument(() => "v", "text");
/** May be left out; a field of options that is undefined always may. */
export const optional = (given: Argument): Argument => ({ ...given, right: [...given.right, "undefined"] });
export const choice = (name: string): Argument => argument(() => name);
export const callback = argument(() => () => undefined, "function");
export const object = argument(() => ({}), "object", "bare object", "unknown option", "promise", "date", "neuron");

/** An object of options, of which those named are needed. */
export function options(fields: Record<string, Argument>, ...needed: string[]): Argument {
  const make = (): object => Object.fromEntries(needed.map((name) => [name, fields[name].make()]));
  return { make, fields, right: needed.length === 0 ? ["undefined", "object", "bare object"] : [] };
}

const goodArguments = (row: Row): unknown[] => Object.values(row.arguments).map(({ make }) => make());

/** Calls it with each wrong value in each place, and returns what did not end in an error of ours that names the place. */
export async function misbehaviour(name: string, row: Row): Promise<string[]> {
  const found = new Map<string, string[]>();
  const given = Object.entries(row.arguments);
  const refuse = async (place: string, value: string, args: unknown[], { words = [] }: Argument): Promise<void> => {
    const problem = await problemOf(row.call, args, [...words, place.split(".").at(-1)!.replace(/s$/, ""), name.split(".").at(-1)!]);
    if (problem !== undefined) found.set(`${place}: ${problem}`, [...(found.get(`${place}: ${problem}`) ?? []), value]);
  };
  for (const [i, [place, argument]] of given.entries()) {
    const { right, fields = {} } = argument;
    const replaced = (value: unknown): unknown[] => goodArguments(row).with(i, value);
    for (const [value, make] of Object.entries(VALUES)) if (!right.includes(value as Name)) await refuse(place, value, replaced(make()), argument);
    for (const [field, each] of Object.entries(fields)) {
      for (const [value, make] of Object.entries(VALUES)) {
        if (value === "undefined" || each.right.includes(value as Name)) continue;
        await refuse(`${place}.${field}`, value, replaced({ ...(given[i][1].make() as object), [field]: make() }), each);
      }
    }
  }
  return [...found].map(([problem, values]) => `${problem} (${values.join(", ")})`);
}

async function problemOf(call: Row["call"], args: unknown[], words: readonly string[]): Promise<string | undefined> {
  try {
    await (call as (...given: unknown[]) => unknown)(...args);
    return "accepted";
  } catch (error) {
    if (!(error instanceof SpikefoldError)) return String(error);
    const said = error.message.toLowerCase();
    return words.some((word) => said.includes(word.toLowerCase())) ? undefined : `names neither: ${error.message}`;
  }
}

/** Right arguments are accepted: else a refusal of wrong ones would say nothing. */
export const accepts = async (row: Row): Promise<unknown> => (row.call as (...given: unknown[]) => unknown)(...goodArguments(row));
