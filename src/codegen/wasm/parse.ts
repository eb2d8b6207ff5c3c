/** A parenthesised list of WebAssembly text, or an atom of it. */
export type Expression = string | Expression[];

const TOKEN = /\s+|;;[^\n]*|"[^"\n]*"|[()]|[^\s()";]+/y;

/** Parses one expression; comments from `;;` to the end of a line are dropped, strings keep their quotes. */
export function parse(text: string): Expression {
  const open: Expression[][] = [[]];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const token = TOKEN.exec(text)?.[0];
    if (token === undefined) throw new SyntaxError(`no token begins with ${JSON.stringify(text.slice(at, at + 20))}`);
    if (token === "(") open.push([]);
    else if (token === ")") {
      const closed = open.pop()!;
      if (open.length === 0) throw new SyntaxError("a parenthesis closes what none opened");
      open.at(-1)!.push(closed);
    } else if (!/^(\s|;;)/.test(token)) open.at(-1)!.push(token);
  }
  if (open.length > 1) throw new SyntaxError("a parenthesis is not closed");
  if (open[0].length !== 1) throw new SyntaxError(`${open[0].length} expressions, one was expected`);
  return open[0][0];
}
