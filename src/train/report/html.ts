/** Markup that is already escaped. */
export interface Html {
  readonly html: string;
}

export type HtmlValue = Html | string | number | undefined | false | readonly HtmlValue[];

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

const markup = (value: HtmlValue): string => {
  if (value === undefined || value === false) return "";
  if (typeof value === "object") return "html" in value ? value.html : value.map(markup).join("");
  return String(value).replace(/[&<>"']/g, (character) => entities[character]);
};

/** A template whose values are escaped, for element contents and quoted attributes. */
export function html(strings: TemplateStringsArray, ...values: HtmlValue[]): Html {
  return { html: strings.reduce((text, part, i) => text + markup(values[i - 1]) + part) };
}

/** Trusted text: style sheets and scripts of this package. */
export const raw = (text: string): Html => ({ html: text });

/** JSON for a script element of type application/json: no `<` can end it. */
export const json = (text: string): Html => raw(text.replaceAll("<", "\\u003c"));
