import { html, type Html } from "./html.ts";

/** A curve, a mark or a bar, as the legend names it. */
export interface Key {
  name: string;
  /** Classes of the style sheet that give its colour and shape: "train", "block dense". */
  look: string;
}

export const keys = (of: readonly Key[]): Html[] => of.map(({ name, look }) => html`<span class="key ${look}"><i></i>${name}</span>`);

export interface Figure {
  /** Of the page's figures; also names the files that are saved. */
  id: string;
  title: string;
  legend?: readonly Key[];
  note?: string;
  /** Further classes. */
  look?: string;
  content: Html | readonly (Html | false | undefined)[];
}

/** A card with a title, a legend, and buttons that save it as a picture. */
export const figure = ({ id, title, legend = [], note, look = "", content }: Figure): Html => html`<figure class="card ${look}" data-figure="${id}">
<figcaption><h3>${title}</h3>${keys(legend)}${note !== undefined && html`<small>${note}</small>`}${saveButtons(title)}</figcaption>
${content}
</figure>`;

/** The script finds what they save: the element around them that has data-figure. */
export const saveButtons = (title: string): Html => html`<span class="save">${["SVG", "PNG"].map((type) => html`<button type="button" data-save="${type.toLowerCase()}" aria-label="Save ${title} as ${type}">${type}</button>`)}</span>`;

export interface Tick {
  /** 0…1, from the left or from the top. */
  at: number;
  label: string;
}

/** Labels below and to the left of a plot, for the eye; the drawing says the same in its label. Goes into the plot's box. */
export const ticks = (x: readonly Tick[], y: readonly Tick[]): Html => html`<div aria-hidden="true">${y.map(({ at, label }) => html`<span class="tick y" style="top:${place(at)}">${label}</span>`)}
${x.map(({ at, label }) => html`<span class="tick x" style="left:${place(at)}">${label}</span>`)}</div>`;

/** The axes' titles: that of y beside the plot, within its box; that of x below, after it. */
export const titleOfY = (title: string): Html => html`<span class="axis y" aria-hidden="true">${title}</span>`;
export const titleOfX = (title: string): Html => html`<p class="axis x" aria-hidden="true">${title}</p>`;

const place = (fraction: number) => `${Math.round(fraction * 1e4) / 100}%`;
