import type { ImportDeclaration, Program, VariableDeclaration } from "acorn";
import type { Neuron } from "../../../src/neuron/define.ts";
import { DefinitionError } from "./error.ts";
import { Interpreter } from "./interpreter.ts";
import { library } from "./names.ts";
import { parse, placeOf } from "./parse.ts";
import { refusal } from "./refuse.ts";
import type { Scope, Value } from "./values.ts";

/**
 * The neuron that a text defines: the value of its last expression, constant or default export that is one. The text is JavaScript as one
 * writes it with the library; it is parsed and interpreted over the expression language, never evaluated.
 * @throws DefinitionError with the place in the text
 */
export function readDefinition(text: string): Neuron {
  const program = parse(text);
  const found = neurons(program).at(-1);
  if (!found) throw new DefinitionError("the text defines no neuron: write defineNeuron({ name, state, step })", { from: 0, to: 0, line: 1, column: 1 });
  return found;
}

function neurons(program: Program): Neuron[] {
  const interpreter = new Interpreter();
  const globals: Scope = { names: new Map(Object.entries(library)), outer: null };
  const scope: Scope = { names: new Map(), outer: globals };
  const values: Value[] = [];
  const keep = (names: ReadonlyMap<string, Value>, known: number): void => { values.push(...[...names.values()].slice(known)); };

  for (const statement of program.body) {
    const known = scope.names.size;
    switch (statement.type) {
      case "EmptyStatement": break;
      case "ImportDeclaration": checkImport(statement, interpreter); break;
      case "ExpressionStatement": values.push(interpreter.evaluate(statement.expression, scope)); break;
      case "VariableDeclaration":
        interpreter.declare(statement, scope);
        keep(scope.names, known);
        break;
      case "ExportNamedDeclaration":
        if (statement.declaration?.type !== "VariableDeclaration") interpreter.fail("this export is not part of the language: write export const name = …", statement);
        interpreter.declare(statement.declaration as VariableDeclaration, scope);
        keep(scope.names, known);
        break;
      case "ExportDefaultDeclaration":
        if (statement.declaration.type.endsWith("Declaration")) interpreter.fail(refusal(statement.declaration.type), statement.declaration);
        values.push(interpreter.evaluate(statement.declaration as never, scope));
        break;
      default: throw new DefinitionError(refusal(statement.type), placeOf(statement));
    }
  }
  return values.filter(isNeuron);
}

const isNeuron = (value: Value): value is Neuron => typeof value === "object" && "next" in value && "step" in value && Object.getPrototypeOf(value) === Object.prototype;

/** Imports of what is known anyway are fine, so that code can be pasted as it is. */
function checkImport(node: ImportDeclaration, interpreter: Interpreter): void {
  if (node.source.value !== "spikefold") interpreter.fail(refusal("ImportDeclaration"), node.source);
  for (const specifier of node.specifiers) {
    const name = specifier.type === "ImportSpecifier" && specifier.imported.type === "Identifier" && specifier.imported.name === specifier.local.name ? specifier.local.name : undefined;
    if (name === undefined || !Object.hasOwn(library, name)) interpreter.fail(`${name ?? "this"} cannot be imported here; there is ${Object.keys(library).join(", ")}`, specifier);
  }
}
