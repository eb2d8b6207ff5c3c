import type { Target } from "../engine/protocol.ts";

/** Kinds of tokens, as classes of the style sheet; the first pattern that fits wins. */
type Grammar = readonly (readonly [kind: string, pattern: RegExp])[];

const number = /-?\b(?:0x[\da-f]+u?|\d+\.?\d*(?:e[+-]?\d+)?[fu]?)\b/i;
const call = /\b[A-Za-z_]\w*(?=\()/;
const comment = /\/\/[^\n]*|\/\*[\s\S]*?\*\//;

const grammars: Readonly<Record<Target | "javascript" | "plan", Grammar>> = {
  javascript: [
    ["comment", comment],
    ["string", /"[^"\n]*"|'[^'\n]*'/],
    ["keyword", /\b(?:const|return|import|from|export|default|true|false)\b/],
    ["call", call],
    ["number", number],
  ],
  wgsl: [
    ["comment", comment],
    ["attribute", /@\w+/],
    ["keyword", /\b(?:fn|let|var|const|return|for|if|else|struct|while|loop|break|continue|enable|alias|override|true|false|read|read_write|storage|uniform)\b/],
    ["type", /\b(?:f32|f16|u32|i32|bool|vec[234]|array|atomic)\b/],
    ["call", call],
    ["number", number],
  ],
  cuda: [
    ["comment", comment],
    ["attribute", /^[ \t]*#.*/m],
    ["keyword", /\b(?:const|return|for|if|else|struct|while|break|continue|template|typename|static|inline|extern|alignas|constexpr|using|operator|true|false|__global__|__device__|__forceinline__|__restrict__|__launch_bounds__)\b/],
    ["type", /\b(?:float|int|unsigned|long|char|short|bool|void|double|__half|__nv_bfloat16|Vector)\b/],
    ["string", /"[^"\n]*"/],
    ["call", call],
    ["number", number],
  ],
  wat: [
    ["comment", /;;[^\n]*/],
    ["string", /"[^"\n]*"/],
    ["name", /\$[\w.]+/],
    ["keyword", /(?<=\()(?:module|import|export|func|param|result|local|memory|global|type|table|data)\b/],
    ["call", /(?<=\()[a-z]\w*(?:\.\w+)*/],
    ["number", number],
  ],
  plan: [
    ["string", /→.*/],
    ["keyword", /^ +(?:reads|writes) |^\w+: |^ +[a-z][^\n]*:$/],
    ["comment", /%\d+(?: =)?/],
    ["call", call],
  ],
};

/** Colouring more would keep the page waiting. */
const LONGEST = 200_000;

/** Text with its tokens coloured, as nodes. */
export function highlight(text: string, language: keyof typeof grammars): Node {
  if (text.length > LONGEST) return document.createTextNode(text);
  const grammar = grammars[language];
  const pattern = new RegExp(grammar.map(([, { source }]) => `(${source})`).join("|"), "gmi");
  const fragment = document.createDocumentFragment();
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    const kind = grammar[match.findIndex((group, i) => i > 0 && group !== undefined) - 1][0];
    fragment.append(text.slice(end, match.index));
    const token = document.createElement("span");
    token.className = kind;
    token.textContent = match[0];
    fragment.append(token);
    end = match.index + match[0].length;
  }
  fragment.append(text.slice(end));
  return fragment;
}
