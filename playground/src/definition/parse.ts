import { type Node, parse as parseModule, type Program } from "acorn";
import { DefinitionError, type Place } from "./error.ts";

/** Longer texts are no neurons. */
const LONGEST = 20_000;

/** The syntax tree of a definition: an ECMAScript module. Nothing is run. */
export function parse(text: string): Program {
  const start = { from: 0, to: 0, line: 1, column: 1 };
  if (text.length > LONGEST) throw new DefinitionError(`the text has ${text.length} characters; a definition may have ${LONGEST}`, start);
  try {
    return parseModule(text, { ecmaVersion: 2022, sourceType: "module", locations: true });
  } catch (error) {
    if (error instanceof RangeError || /stack space/.test((error as Error).message)) throw new DefinitionError("the text is nested too deeply", start);
    const { message, pos, loc } = error as SyntaxError & { pos: number; loc: { line: number; column: number } };
    throw new DefinitionError(lowerFirst(message.replace(/ \(\d+:\d+\)$/, "")), { from: pos, to: Math.min(pos + 1, text.length), line: loc.line, column: loc.column + 1 });
  }
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

export const placeOf = ({ start, end, loc }: Node): Place => ({ from: start, to: end, line: loc!.start.line, column: loc!.start.column + 1 });
