import { parseArgs } from "node:util";
import { UsageError } from "./command.ts";

/** One option of a command: how it is parsed and what its help says. */
export type OptionSpec =
  | { type: "flag"; help: string }
  | { type: "text"; value: string; help: string; choices?: readonly string[] }
  | { type: "integer" | "number"; value: string; help: string; minimum?: number; above?: number };

export type OptionTable = Readonly<Record<string, OptionSpec>>;

type ValueOf<S extends OptionSpec> = S["type"] extends "flag" ? boolean : S["type"] extends "text" ? string | undefined : number | undefined;

/** The values given: flags are false unless given, others undefined unless given. */
export type OptionValues<T extends OptionTable> = { [K in keyof T]: ValueOf<T[K]> };

export interface ParsedArguments<T extends OptionTable> {
  values: OptionValues<T>;
  positionals: string[];
}

/** @throws UsageError for an unknown option, a missing or malformed value, or more than `maxPositionals` arguments. */
export function parseArguments<T extends OptionTable>(table: T, args: string[], maxPositionals = 0): ParsedArguments<T> {
  const options = Object.fromEntries(Object.entries(table).map(([name, { type }]) => [name, { type: type === "flag" ? "boolean" : "string" } as const]));
  let parsed: { values: Record<string, string | boolean | undefined>; positionals: string[] };
  try {
    parsed = parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError((error as Error).message.split(". ")[0], { cause: error });
  }
  const { positionals } = parsed;
  if (positionals.length > maxPositionals) throw new UsageError(`unexpected argument ${JSON.stringify(positionals[maxPositionals])}`);
  const values = Object.fromEntries(Object.entries(table).map(([name, spec]) => [name, convert(name, spec, parsed.values[name])]));
  return { values: values as OptionValues<T>, positionals };
}

function convert(name: string, spec: OptionSpec, given: string | boolean | undefined): string | number | boolean | undefined {
  if (spec.type === "flag") return given === true;
  if (typeof given !== "string") return undefined;
  if (spec.type === "text") {
    if (given === "") throw new UsageError(`--${name} needs a value`);
    if (spec.choices && !spec.choices.includes(given)) throw new UsageError(`--${name} is ${JSON.stringify(given)}: expected ${spec.choices.join(" or ")}`);
    return given;
  }
  const { type, minimum = -Infinity, above = -Infinity } = spec;
  const value = Number(given);
  const wrongKind = type === "integer" ? !Number.isSafeInteger(value) : !Number.isFinite(value);
  if (given.trim() === "" || wrongKind || value < minimum || value <= above) {
    const bound = minimum > -Infinity ? ` ≥ ${minimum}` : above > -Infinity ? ` > ${above}` : "";
    throw new UsageError(`--${name} is ${JSON.stringify(given)}: expected ${type === "integer" ? "an integer" : "a number"}${bound}`);
  }
  return value;
}

/** The lines of a usage text that explain the options. */
export function describeOptions(table: OptionTable): string {
  const rows = Object.entries(table).map(([name, spec]) => [spec.type === "flag" ? `--${name}` : `--${name} ${spec.value}`, spec.help]);
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, help]) => `  ${left.padEnd(width)}  ${help}`).join("\n");
}
