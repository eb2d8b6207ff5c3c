import type { Function as FunctionNode } from "acorn";
import type { Neuron, Surrogate } from "../../../src/neuron/index.ts";
import { Expr } from "../../../src/neuron/expr.ts";

/** What a piece of a definition stands for. */
export type Value = number | string | boolean | undefined | Expr | Surrogate | Neuron | Closure | Builtin | Value[] | Fields;

/** An object of a definition: no prototype, own fields only. */
export interface Fields { [name: string]: Value }

/** Names in sight, innermost first. */
export interface Scope {
  readonly names: Map<string, Value>;
  readonly outer: Scope | null;
}

/** A function that the text defines. */
export class Closure {
  readonly node: FunctionNode;
  readonly scope: Scope;

  constructor(node: FunctionNode, scope: Scope) {
    this.node = node;
    this.scope = scope;
  }
}

/** A function of the library that a definition may call. */
export class Builtin {
  readonly name: string;
  readonly call: (...args: never[]) => unknown;

  constructor(name: string, call: (...args: never[]) => unknown) {
    this.name = name;
    this.call = call;
  }
}

export const fields = (entries: Iterable<readonly [string, Value]> = []): Fields => {
  const made = Object.create(null) as Fields;
  for (const [name, value] of entries) made[name] = value;
  return made;
};

export const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null && Object.getPrototypeOf(value) === null;

/** In words, for messages. */
export function describe(value: Value): string {
  if (value instanceof Expr) return "an expression";
  if (value instanceof Closure || value instanceof Builtin) return "a function";
  if (Array.isArray(value)) return "an array";
  if (value === undefined) return "nothing";
  return typeof value === "object" ? "an object" : `${typeof value === "string" ? "the text" : "the value"} ${JSON.stringify(value)}`;
}
