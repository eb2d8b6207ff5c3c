/**
 * Finds expressions that a step's text uses as conditions (`s ? a : b`, `if (v)`, `!s`, `s && a`, `v === 0`): JavaScript takes every object for true
 * and calls nobody, so nothing but the text can tell. Where the text leaves a doubt, there is no finding: a name that is bound twice, is assigned, or is
 * not plainly an expression does not count.
 */
export function findCondition(source: string, parameters: "records" | "expressions"): string | undefined {
  const tokens = tokenize(source);
  const scope = namesOf(tokens, parameters);
  for (let i = scope.body; i < tokens.length; i++) {
    const end = operandEnd(tokens, i, scope);
    if (end !== null && isCondition(tokens, i, end, scope)) return source.slice(tokens[i].at).replace(/\s+/g, " ").slice(0, 40);
  }
  return undefined;
}

interface Token {
  readonly text: string;
  readonly at: number;
}

const WORD = /[\p{ID_Start}$_][\p{ID_Continue}$]*/uy;
const SKIPPED = /\s+|\/\/[^\n]*|\/\*[^]*?\*\//y;
const LITERAL = /"(?:\\[^]|[^"\\])*"|'(?:\\[^]|[^'\\])*'|\d[\w.]*/y;
const REGEX = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/y;
const PUNCTUATOR = /===|!==|==|!=|=>|\?\.(?!\d)|\?\?|&&|\|\||\.\.\.|[^]/y;
/** After these, a slash begins a regular expression. */
const beforeRegex = /^(return|typeof|case|in|of|delete|void|throw|new|instanceof|else|do|[^\w$)\]}"'`]+)$/;

const isWord = (token: Token | undefined): boolean => token !== undefined && /^[\p{ID_Start}$_]/u.test(token.text);
const isNumber = (token: Token | undefined): boolean => token !== undefined && /^\d/.test(token.text);

/** The tokens of a text, without spaces and comments; what a template holds counts as one. */
function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  while (at < source.length) {
    const skipped = match(SKIPPED);
    if (skipped) {
      at += skipped.length;
      continue;
    }
    const last = tokens.at(-1);
    const regex = source[at] === "/" && (!last || beforeRegex.test(last.text)) ? match(REGEX) : undefined;
    const text = source[at] === "`" ? source.slice(at, templateEnd(source, at)) : match(LITERAL) ?? match(WORD) ?? regex ?? match(PUNCTUATOR)!;
    tokens.push({ text: regex ? "``" : text, at });
    at += text.length;
  }
  return tokens;
}

/** Where the template that begins at a backtick ends. */
function templateEnd(source: string, begin: number): number {
  let depth = 0;
  for (let at = begin + 1; at < source.length; at++) {
    const character = source[at];
    if (character === "\\") at++;
    else if (depth === 0) {
      if (character === "`") return at + 1;
      if (source.startsWith("${", at)) {
        depth = 1;
        at++;
      }
    } else if (character === "`") at = templateEnd(source, at) - 1;
    else if (character === '"' || character === "'") {
      LITERAL.lastIndex = at;
      at += (LITERAL.exec(source)?.[0].length ?? 1) - 1;
    } else depth += character === "{" ? 1 : character === "}" ? -1 : 0;
  }
  return source.length;
}

/** The token after the bracket that closes the one at `open`. */
function closing(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let i = open; i < tokens.length; i++) {
    if ("([{".includes(tokens[i].text)) depth++;
    else if (")]}".includes(tokens[i].text) && --depth === 0) return i + 1;
  }
  return tokens.length;
}

function opening(tokens: readonly Token[], close: number): number {
  let depth = 0;
  for (let i = close; i >= 0; i--) {
    if (")]}".includes(tokens[i].text)) depth++;
    else if ("([{".includes(tokens[i].text) && --depth === 0) return i;
  }
  return 0;
}

interface Names {
  /** Names of expressions. */
  readonly expressions: Set<string>;
  /** Names of records of expressions: s.v is one. */
  readonly records: Set<string>;
  /** The first token behind the parameters. */
  readonly body: number;
}

function namesOf(tokens: readonly Token[], parameters: "records" | "expressions"): Names {
  const open = tokens.findIndex(({ text }) => text === "(" || text === "=>");
  const body = open < 0 ? tokens.length : tokens[open].text === "=>" ? open : closing(tokens, open);
  const expressions = new Set<string>();
  const records = new Set<string>();
  const scope = { expressions, records, body };
  const plain = parameters === "records" ? records : expressions;
  if (tokens[open]?.text === "=>") plain.add(tokens[open - 1].text);
  for (let i = open + 1; i < body - 1; i++) {
    if (tokens[i].text === "{") {
      if (parameters === "records") for (const name of patternNames(tokens, i)) expressions.add(name);
      i = closing(tokens, i) - 1;
    } else if (isWord(tokens[i]) && tokens[i - 1].text !== "...") plain.add(tokens[i].text);
    if (tokens[i + 1]?.text === "=") break;
  }

  const bound = new Map<string, number>();
  const bind = (name: string): void => void bound.set(name, (bound.get(name) ?? 0) + 1);
  for (const name of [...expressions, ...records]) bind(name);
  for (let i = body; i < tokens.length; i++) bindingsAt(tokens, i, body).forEach(bind);
  const once = (name: string): boolean => bound.get(name) === 1;
  for (const names of [expressions, records]) for (const name of names) if (!once(name)) names.delete(name);

  for (let i = body; i < tokens.length; i++) {
    if (!declarations.includes(tokens[i].text)) continue;
    if (tokens[i + 1]?.text === "{") {
      const end = closing(tokens, i + 1);
      if (tokens[end]?.text === "=" && records.has(tokens[end + 1]?.text) && [";", ","].includes(tokens[end + 2]?.text)) {
        for (const name of patternNames(tokens, i + 1)) if (once(name)) expressions.add(name);
      }
    } else if (tokens[i + 2]?.text === "=" && once(tokens[i + 1].text) && isExpression(tokens, i + 3, scope)) expressions.add(tokens[i + 1].text);
  }
  return scope;
}

const declarations = ["const", "let", "var"];

/** The names that `{ a, b: c, d = 1 }` binds; patterns inside it are left out. */
function patternNames(tokens: readonly Token[], open: number): string[] {
  const names: string[] = [];
  const end = closing(tokens, open) - 1;
  for (let i = open + 1; i < end; i++) {
    if ("([{".includes(tokens[i].text)) i = closing(tokens, i) - 1;
    else if (isWord(tokens[i]) && ["{", ",", ":"].includes(tokens[i - 1].text) && [",", "}", "="].includes(tokens[i + 1].text)) names.push(tokens[i].text);
  }
  return names;
}

/** Names that are, or might be, bound or assigned at a token: declarations, assignments, parameters of functions. */
function bindingsAt(tokens: readonly Token[], i: number, body: number): string[] {
  const words = (from: number, to: number): string[] => tokens.slice(from, to).filter(isWord).map(({ text }) => text);
  const { text } = tokens[i];
  const [before, after] = [tokens[i - 1]?.text, tokens[i + 1]?.text];
  if (declarations.includes(text)) return "[{".includes(after) ? words(i + 1, closing(tokens, i + 1)) : tokens[i + 2]?.text === "=" ? [] : words(i + 1, i + 2);
  if (isWord(tokens[i]) && after === "=" && before !== ".") return [text];
  if (text === "=>" && i > body) return before === ")" ? words(opening(tokens, i - 1), i) : words(i - 1, i);
  if (text === ")" && after === "{") {
    const open = opening(tokens, i);
    return ["if", "while", "for", "switch"].includes(tokens[open - 1]?.text) ? [] : words(open, i);
  }
  return [];
}

/** Functions of the language whose results are expressions. */
const functions = new Set([
  "abs", "add", "atan", "cos", "detach", "div", "erf", "exp", "expm1", "floor", "log", "log1p", "maximum", "minimum", "mul", "neg", "sigmoid", "sin", "spike",
  "sqrt", "square", "sub", "tanh", "where", "greater", "greaterEqual", "less", "lessEqual", "equal", "notEqual", "logicalAnd", "logicalOr", "logicalNot",
]);

/** Whether an initialiser is plainly an expression: a name of one or a function's call, and methods called on it. */
function isExpression(tokens: readonly Token[], begin: number, scope: Names): boolean {
  let end = operandEnd(tokens, begin, scope);
  if (end === null) {
    // A bundler writes (0, library.spike)(u, …).
    const name = tokens[begin]?.text === "(" && tokens[begin + 1]?.text === "0" ? closing(tokens, begin) - 2 : begin;
    const call = name === begin ? begin + 1 : name + 2;
    if (!functions.has(tokens[name]?.text) || tokens[call]?.text !== "(") return false;
    end = methodsEnd(tokens, closing(tokens, call));
  }
  return end !== null && [";", ",", "return", ...declarations].includes(tokens[end]?.text);
}

/** Behind the calls of methods that follow; null if a property follows that is not called. */
function methodsEnd(tokens: readonly Token[], from: number): number | null {
  let i = from;
  while (tokens[i]?.text === ".") {
    if (tokens[i + 2]?.text !== "(") return null;
    i = closing(tokens, i + 2);
  }
  return i;
}

/** The end of an operand that begins at token i and is plainly an expression: v, v.add(1), s.v, s.v.add(1); null if there is none. */
function operandEnd(tokens: readonly Token[], i: number, { expressions, records }: Names): number | null {
  const { text } = tokens[i] ?? { text: "" };
  if ([".", "?."].includes(tokens[i - 1]?.text)) return null;
  if (expressions.has(text)) return methodsEnd(tokens, i + 1);
  if (records.has(text) && tokens[i + 1]?.text === "." && tokens[i + 3]?.text !== "(") return methodsEnd(tokens, i + 3);
  return null;
}

const equalities = ["===", "!==", "==", "!="];
/** What may stand before an operand that is a whole condition. */
const starts = ["(", "[", ",", "=", "return", ":", "=>", "&&", "||", "!", ";", "?", "{", "}"];

function isCondition(tokens: readonly Token[], begin: number, end: number, scope: Names): boolean {
  const text = (i: number): string => tokens[i]?.text ?? "";
  const [before, after] = [text(begin - 1), text(end)];
  if (before === "!") return true;
  if (before === "(" && after === ")" && ["if", "while"].includes(text(begin - 2))) return true;
  const known = (i: number): boolean => isNumber(tokens[i]) || (text(i) === "-" && isNumber(tokens[i + 1])) || operandEnd(tokens, i, scope) !== null;
  if (equalities.includes(after)) return known(end + 1);
  if (equalities.includes(before)) return isNumber(tokens[begin - 2]);
  return ["?", "&&", "||"].includes(after) && starts.includes(before);
}
