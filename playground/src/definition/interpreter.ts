import type { AnyNode, BlockStatement, CallExpression, Expression, MemberExpression, Pattern, Property, SpreadElement, VariableDeclaration } from "acorn";
import { Expr } from "../../../src/neuron/expr.ts";
import { DefinitionError } from "./error.ts";
import { methods, reserved } from "./names.ts";
import { placeOf } from "./parse.ts";
import { arithmetic, comparisons } from "./numbers.ts";
import { refusal } from "./refuse.ts";
import { Builtin, Closure, describe, type Fields, fields, isFields, type Scope, type Value } from "./values.ts";

/** A definition may evaluate so many nodes each time it is entered, and its functions may call each other so deep. */
const MOST_NODES = 50_000;
const DEEPEST = 40;

/**
 * Evaluates the nodes of a definition over expressions, one kind of node after the other. What has no rule here is refused; no rule reaches a
 * prototype, a global or a function of the host that `names.ts` does not list.
 */
export class Interpreter {
  #nodes = 0;
  #depth = 0;
  /** What the library gave a step: its states, inputs and parameters. */
  readonly #records = new WeakSet<object>();

  evaluate(node: Expression, scope: Scope): Value {
    const rule = this.#rules[node.type] as ((node: Expression, scope: Scope) => Value) | undefined;
    if (!rule) this.fail(refusal(node.type), node);
    if (++this.#nodes > MOST_NODES) this.fail(`the definition takes more than ${MOST_NODES} evaluations`, node);
    try {
      return rule(node, scope);
    } catch (error) {
      if (error instanceof DefinitionError) throw error;
      const message = error instanceof RangeError ? "the definition is nested too deeply" : (error as Error).message;
      throw new DefinitionError(message, placeOf(node));
    }
  }

  /** Binds the names of a const declaration. */
  declare(node: VariableDeclaration, scope: Scope): void {
    if (node.kind !== "const") this.fail(`${node.kind} is not part of the language: write const`, node);
    for (const { id, init } of node.declarations) this.#bind(id, this.evaluate(init!, scope), scope);
  }

  fail(message: string, node: AnyNode): never {
    throw new DefinitionError(message, placeOf(node));
  }

  readonly #rules: { [Type in Expression["type"]]?: (node: Extract<Expression, { type: Type }>, scope: Scope) => Value } = {
    Literal: (node) => {
      const { value } = node;
      if (typeof value !== "number" && typeof value !== "string" && typeof value !== "boolean") this.fail(`${node.raw} is not part of the language: literals are numbers, texts, true and false`, node);
      return value;
    },
    Identifier: (node, scope) => {
      for (let at: Scope | null = scope; at; at = at.outer) if (at.names.has(node.name)) return at.names.get(node.name);
      this.fail(`${node.name} is not known here: misspelt, or not part of the language`, node);
    },
    UnaryExpression: (node, scope) => {
      const x = this.evaluate(node.argument, scope);
      if (node.operator === "-" && x instanceof Expr) this.fail("an expression has no operators: write x.neg()", node);
      if (node.operator === "-" && typeof x === "number") return -x;
      if (node.operator === "!" && typeof x === "boolean") return !x;
      this.fail(`the operator ${node.operator} does not apply to ${describe(x)}`, node);
    },
    BinaryExpression: (node, scope) => {
      if (node.left.type === "PrivateIdentifier") this.fail(refusal("PrivateIdentifier"), node);
      const a = this.evaluate(node.left, scope);
      const b = this.evaluate(node.right, scope);
      const rule = arithmetic[node.operator] ?? comparisons[node.operator];
      if (rule && typeof a === "number" && typeof b === "number") return rule.compute(a, b);
      if (a instanceof Expr || b instanceof Expr) this.fail(`an expression has no operators: write ${rule?.method ?? "where(condition, a, b)"} instead of ${node.operator}`, node);
      if (typeof a === typeof b && typeof a !== "object" && (node.operator === "===" || node.operator === "!==")) return (a === b) === (node.operator === "===");
      this.fail(`the operator ${node.operator} does not apply to ${describe(a)} and ${describe(b)}`, node);
    },
    ConditionalExpression: (node, scope) => {
      const test = this.evaluate(node.test, scope);
      if (typeof test !== "boolean") this.fail(test instanceof Expr ? "a comparison of expressions is known only when the kernel runs: write where(condition, a, b)" : `a condition is true or false, not ${describe(test)}`, node.test);
      return this.evaluate(test ? node.consequent : node.alternate, scope);
    },
    ArrayExpression: (node, scope) => node.elements.map((element) => this.#element(element, node, scope)),
    ObjectExpression: (node, scope) => fields(node.properties.map((property) => this.#property(property, scope))),
    ArrowFunctionExpression: (node, scope) => (node.async ? this.fail("an async function is not part of the language", node) : new Closure(node, scope)),
    FunctionExpression: (node, scope) => (node.async || node.generator ? this.fail("async functions and generators are not part of the language", node) : new Closure(node, scope)),
    MemberExpression: (node, scope) => this.#member(node, scope),
    CallExpression: (node, scope) => this.#callExpression(node, scope),
  };

  #element(element: Expression | SpreadElement | null, parent: AnyNode, scope: Scope): Value {
    if (!element || element.type === "SpreadElement") this.fail(element ? refusal("SpreadElement") : "an array with holes is not part of the language", element ?? parent);
    return this.evaluate(element, scope);
  }

  #property(property: Property | SpreadElement, scope: Scope): [string, Value] {
    if (property.type === "SpreadElement") this.fail(refusal("SpreadElement"), property);
    if (property.kind !== "init") this.fail("getters and setters are not part of the language", property);
    return [this.#key(property.key, property.computed), this.evaluate(property.value, scope)];
  }

  #key(key: AnyNode, computed: boolean): string {
    const name = computed ? undefined : key.type === "Identifier" ? key.name : key.type === "Literal" ? key.value : undefined;
    if (typeof name !== "string") this.fail("the name of a field must be a word", key);
    if (reserved.has(name)) this.fail(`${name} cannot be a name here`, key);
    return name;
  }

  #member({ object, property, computed }: MemberExpression, scope: Scope): Value {
    if (object.type === "Super") this.fail(refusal("Super"), object);
    const value = this.evaluate(object, scope);
    if (Array.isArray(value)) {
      const index = computed ? this.evaluate(property as Expression, scope) : undefined;
      if (typeof index !== "number" || !Object.hasOwn(value, index)) this.fail(`an array has elements [0] to [${value.length - 1}]`, property);
      return value[index];
    }
    const name = this.#key(property, computed);
    if (this.#isRecord(value)) return this.#field(value, name, property);
    this.fail(value instanceof Expr ? `${name} of an expression must be called; it has the methods ${methods.join(", ")}` : `${describe(value)} has no ${name}`, property);
  }

  #isRecord(value: Value): value is Fields {
    return isFields(value) || (typeof value === "object" && this.#records.has(value));
  }

  #field(value: Fields, name: string, at: AnyNode): Value {
    // The records of a step say themselves what was declared.
    if (Object.hasOwn(value, name) || this.#records.has(value)) return value[name];
    this.fail(`there is no ${name} here; there is ${Object.keys(value).join(", ") || "nothing"}`, at);
  }

  #callExpression(node: CallExpression, scope: Scope): Value {
    const { callee } = node;
    if (callee.type === "Super" || node.optional) this.fail(refusal(node.optional ? "ChainExpression" : "Super"), node);
    const args = (): Value[] => node.arguments.map((argument) => this.#element(argument, node, scope));
    if (callee.type === "MemberExpression" && callee.object.type !== "Super" && !callee.computed) {
      const object = this.evaluate(callee.object, scope);
      if (object instanceof Expr) {
        const name = this.#key(callee.property, false);
        const method = methods.find((known) => known === name);
        if (!method) this.fail(`an expression has no method ${name}; it has ${methods.join(", ")}`, callee.property);
        return (object[method] as (...args: Value[]) => Expr).apply(object, args());
      }
    }
    const called = this.evaluate(callee, scope);
    if (called instanceof Closure) return this.#call(called, args());
    if (called instanceof Builtin) return called.call(...args().map((value) => this.#toHost(value)) as never[]) as Value;
    this.fail(`${describe(called)} cannot be called`, callee);
  }

  #call({ node, scope }: Closure, args: readonly Value[]): Value {
    if (this.#depth >= DEEPEST) this.fail(`functions call each other more than ${DEEPEST} deep`, node as AnyNode);
    this.#depth++;
    try {
      const local: Scope = { names: new Map(), outer: scope };
      node.params.forEach((param, i) => this.#bind(param, args[i], local));
      return node.body.type === "BlockStatement" ? this.#body(node.body, local) : this.evaluate(node.body, local);
    } finally {
      this.#depth--;
    }
  }

  #body(block: BlockStatement, scope: Scope): Value {
    for (const statement of block.body) {
      if (statement.type === "ReturnStatement") return statement.argument ? this.evaluate(statement.argument, scope) : undefined;
      if (statement.type === "VariableDeclaration") this.declare(statement, scope);
      else if (statement.type !== "EmptyStatement") this.fail(statement.type === "ExpressionStatement" ? "this has no effect: a function is made of const and return" : refusal(statement.type), statement);
    }
    return undefined;
  }

  #bind(pattern: Pattern, value: Value, scope: Scope): void {
    switch (pattern.type) {
      case "Identifier":
        if (reserved.has(pattern.name)) this.fail(`${pattern.name} cannot be a name here`, pattern);
        scope.names.set(pattern.name, value);
        return;
      case "ArrayPattern":
        if (!Array.isArray(value)) this.fail(`[…] takes an array apart, not ${describe(value)}`, pattern);
        pattern.elements.forEach((element, i) => element && this.#bind(element, value[i], scope));
        return;
      case "ObjectPattern":
        if (!this.#isRecord(value)) this.fail(`{…} takes an object apart, not ${describe(value)}`, pattern);
        for (const property of pattern.properties) {
          if (property.type === "RestElement") this.fail(refusal("RestElement"), property);
          this.#bind(property.value, this.#located(property, () => this.#field(value, this.#key(property.key, property.computed), property)), scope);
        }
        return;
      default: this.fail(refusal(pattern.type), pattern);
    }
  }

  #located<T>(node: AnyNode, read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw error instanceof DefinitionError ? error : new DefinitionError((error as Error).message, placeOf(node));
    }
  }

  /** What the library is given: functions of the text become functions that interpret it. */
  #toHost(value: Value): unknown {
    if (value instanceof Closure) {
      return (...args: Value[]): unknown => {
        if (this.#depth === 0) this.#nodes = 0;
        for (const arg of args) if (typeof arg === "object" && !(arg instanceof Expr)) this.#records.add(arg);
        return this.#toHost(this.#call(value, args));
      };
    }
    if (value instanceof Builtin) return value.call;
    if (Array.isArray(value)) return value.map((element) => this.#toHost(element));
    return isFields(value) ? Object.fromEntries(Object.entries(value).map(([name, field]) => [name, this.#toHost(field)])) : value;
  }
}
