/** What the parts of JavaScript are called that definitions do without. */
const words: Record<string, string> = {
  AssignmentExpression: "an assignment", UpdateExpression: "an assignment", AssignmentPattern: "a default value", RestElement: "a rest element",
  SpreadElement: "a spread", TemplateLiteral: "a template literal", TaggedTemplateExpression: "a template literal", ImportExpression: "import()",
  ForStatement: "a loop", ForInStatement: "a loop", ForOfStatement: "a loop", WhileStatement: "a loop", DoWhileStatement: "a loop",
  IfStatement: "if", SwitchStatement: "switch", TryStatement: "try", ThrowStatement: "throw", LabeledStatement: "a label", BlockStatement: "a block",
  NewExpression: "new", ThisExpression: "this", Super: "super", ClassExpression: "a class", ClassDeclaration: "a class", MetaProperty: "import.meta",
  FunctionDeclaration: "a function declaration", AwaitExpression: "await", YieldExpression: "yield", ChainExpression: "?.", SequenceExpression: "a comma",
  LogicalExpression: "a logical operator", DebuggerStatement: "debugger", ExportAllDeclaration: "export *", ImportDeclaration: "this import",
};

/** What to do instead, where there is something. */
const instead: Record<string, string> = {
  IfStatement: "write where(condition, a, b)",
  LogicalExpression: "write logicalAnd(a, b) or logicalOr(a, b)",
  FunctionDeclaration: "write const name = (x) => …",
  AssignmentExpression: "a const has one value; name the new one",
  UpdateExpression: "a const has one value; name the new one",
  ImportDeclaration: 'names come from "spikefold"',
};

export const allowed =
  "allowed are const, numbers and their arithmetic, texts, objects, arrays, arrow functions, x.add(y) and its like, and calls of the language's functions, neurons and surrogates";

/** The message for a node that the language does not have. */
export function refusal(type: string): string {
  const what = words[type] ?? type.replace(/(Expression|Statement|Declaration)$/, "");
  return `${what} is not part of the language: ${instead[type] ?? allowed}`;
}
