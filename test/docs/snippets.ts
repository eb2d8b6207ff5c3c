/** Code from a Markdown file, in a fenced block. */
export interface Snippet {
  /** Of the block's opening fence, from 1. */
  line: number;
  language: string;
  /** The words after the language. */
  marks: readonly string[];
  code: string;
}

/** The fenced blocks of a Markdown text. */
export function fencedBlocks(markdown: string): Snippet[] {
  const blocks: Snippet[] = [];
  let open: { line: number; language: string; marks: string[]; code: string[] } | undefined;
  markdown.split("\n").forEach((text, i) => {
    const fence = /^```(.*)$/.exec(text);
    if (!fence) open?.code.push(text);
    else if (open) {
      blocks.push({ ...open, code: open.code.join("\n") });
      open = undefined;
    } else {
      const [language, ...marks] = fence[1].trim().split(/\s+/);
      open = { line: i + 1, language, marks, code: [] };
    }
  });
  if (open) throw new Error(`line ${open.line}: the code block is not closed`);
  return blocks;
}

/**
 * The programs of a Markdown text: its js and ts blocks, each with the blocks marked `continued` that follow it. Blocks marked `no-run` are left out.
 */
export function programs(markdown: string): Snippet[] {
  const found: Snippet[] = [];
  for (const block of fencedBlocks(markdown)) {
    if (!["js", "ts"].includes(block.language) || block.marks.includes("no-run")) continue;
    const last = found.at(-1);
    if (!block.marks.includes("continued")) found.push(block);
    else if (last) found[found.length - 1] = { ...last, code: `${last.code}\n${block.code}` };
    else throw new Error(`line ${block.line}: there is no block to continue`);
  }
  return found;
}

/** Calls of the command: in sh blocks and indented ones, and in the text: "train mnist --model conv". */
export function commandLines(markdown: string): { line: number; args: string[] }[] {
  return markdown.split("\n").flatMap((text, i) => {
    const calls = [
      .../^(?:(?: {4})spikefold|npx spikefold|npm run -s spikefold --|node dist\/cli\/main\.js) (.*?)\s*(?:#.*)?$/.exec(text)?.slice(1) ?? [],
      ...[...text.matchAll(/`(?:npx )?spikefold ([^`]+)`/g)].map(([, args]) => args),
    ];
    return calls.filter((call) => !/^[A-Z]/.test(call)).map((call) => ({ line: i + 1, args: call.split(/\s+/) }));
  });
}

/** Options that a table explains: the first cells of its rows. */
export const optionsInTables = (markdown: string): string[] =>
  [...markdown.matchAll(/^\| (`--[^|]*(?:\\\|[^|]*)*)\|/gm)].flatMap(([, cell]) => [...cell.matchAll(/`(--[\w-]+)/g)].map(([, option]) => option));
