import { parseArgs } from "node:util";
import { nearest } from "../check.ts";
import { chosen, UsageError } from "./command.ts";

/** One option of a command: how it is parsed and what its help says. */
export type OptionSpec =
  | { type: "flag"; help: string }
  | { type: "text"; value: string; help: string; choices?: readonly string[] }
  /** Some of the choices, with commas between them. */
  | { type: "list"; value: string; help: string; choices: readonly string[] }
  | ({ value: string; help: string } & NumberSpec);

/** What numbers an option takes; "integers" are several, with commas between them. */
interface NumberSpec {
  type: "integer" | "number" | "integers";
  minimum?: number;
  above?: number;
}

export type OptionTable = Readonly<Record<string, OptionSpec>>;

interface Values {
  flag: boolean;
  text: string | undefined;
  list: string[] | undefined;
  integer: number | undefined;
  number: number | undefined;
  integers: number[] | undefined;
}

/** The values given: flags are false unless given, others undefined unless given. */
export type OptionValues<T extends OptionTable> = { [K in keyof T]: Values[T[K]["type"]] };

export interface ParsedArguments<T extends OptionTable> {
  values: OptionValues<T>;
  positionals: string[];
}

/** @throws UsageError for an unknown option, a missing or malformed value, or more than `maxPositionals` arguments. */
export function parseArguments<T extends OptionTable>(table: T, args: string[], maxPositionals = 0): ParsedArguments<T> {
  const options = Object.fromEntries(Object.entries(table).map(([name, { type }]) => [name, { type: type === "flag" ? "boolean" : "string" } as const]));
  // Not strict: what is wrong is said here, in the words of the other messages and with the nearest name.
  const { tokens } = parseArgs({ args, options, allowPositionals: true, strict: false, tokens: true });
  const given: Record<string, string | true> = {};
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    else if (token.kind === "option") {
      if (!Object.hasOwn(table, token.name)) throw unknownOption(args[token.index].split("=")[0], Object.keys(table));
      given[token.name] = valueOf(table[token.name], token);
    }
  }
  if (positionals.length > maxPositionals) throw extraArgument(positionals, maxPositionals, Object.keys(table));
  const values = Object.fromEntries(Object.entries(table).map(([name, spec]) => [name, convert(name, spec, given[name])]));
  return { values: values as OptionValues<T>, positionals };
}

function unknownOption(given: string, names: readonly string[]): UsageError {
  const near = nearest(given.replace(/^-+/, ""), names);
  return new UsageError(`there is no option ${given}${near === undefined ? "" : `: did you mean --${near}?`}`);
}

function extraArgument(positionals: readonly string[], maximum: number, names: readonly string[]): UsageError {
  const extra = positionals[maximum];
  const near = nearest(extra, names);
  const hint = near === undefined ? "" : `; did you mean --${near}?`;
  return new UsageError(`${JSON.stringify(extra)} is one argument too many${maximum > 0 ? ` after ${positionals.slice(0, maximum).join(" ")}` : ": it takes options alone"}${hint}`);
}

function valueOf(spec: OptionSpec, { name, value, inlineValue }: { name: string; value?: string; inlineValue?: boolean }): string | true {
  if (spec.type === "flag") {
    if (value !== undefined) throw new UsageError(`--${name} takes no value, got ${JSON.stringify(value)}`);
    return true;
  }
  // Another option where the value should be; "-1" may be one.
  if (value === undefined || value === "" || (!inlineValue && value.startsWith("--"))) throw new UsageError(`--${name} needs a value: --${name} ${spec.value}`);
  return value;
}

function convert(name: string, spec: OptionSpec, given: string | true | undefined): Values[OptionSpec["type"]] {
  if (spec.type === "flag") return given === true;
  if (typeof given !== "string") return undefined;
  const option = `--${name}`;
  switch (spec.type) {
    case "text": return spec.choices ? chosen(option, given, spec.choices) : given;
    case "list": return given.split(",").map((each) => chosen(option, each.trim(), spec.choices));
    case "integers": return toNumbers(option, given, spec);
    default: return toNumbers(option, given, spec)[0];
  }
}

/** @throws UsageError that shows the whole value, of several numbers too. */
function toNumbers(option: string, given: string, { type, minimum = -Infinity, above = -Infinity }: NumberSpec): number[] {
  const texts = type === "integers" ? given.split(",") : [given];
  const isRight = (text: string): boolean => {
    const value = Number(text);
    return text.trim() !== "" && (type === "number" ? Number.isFinite(value) : Number.isSafeInteger(value)) && value >= minimum && value > above;
  };
  if (texts.every(isRight)) return texts.map(Number);
  const expected = { number: "a number", integer: "an integer", integers: "integers with commas between them, each" }[type];
  const bound = minimum > -Infinity ? ` ≥ ${minimum}` : above > -Infinity ? ` > ${above}` : "";
  throw new UsageError(`${option} is ${JSON.stringify(given)}: expected ${expected}${bound}`);
}

/** The lines of a usage text that explain the options. */
export function describeOptions(table: OptionTable): string {
  const rows = Object.entries(table).map(([name, spec]) => [spec.type === "flag" ? `--${name}` : `--${name} ${spec.value}`, spec.help]);
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, help]) => `  ${left.padEnd(width)}  ${help}`).join("\n");
}
