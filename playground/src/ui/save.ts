import { colours } from "./colours.ts";
import { h } from "./dom.ts";

/** The rows of a table, the first with the names of its columns. */
export type Table = readonly (readonly (string | number)[])[];

/** Has the browser save a file. */
export function download(contents: BlobPart, name: string, type = "application/octet-stream"): void {
  const url = URL.createObjectURL(new Blob([contents], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Buttons that save a figure as a picture, with its title, and what it shows as a table. */
export function saveButtons(title: string, picture: HTMLCanvasElement, table: () => Table): HTMLElement {
  const file = `spikefold-${title.toLowerCase().replaceAll(/\W+/g, "-")}`;
  const button = (kind: string, click: () => void) => h("button", { type: "button", class: "save", "aria-label": `Save ${title} as ${kind}`, title: `Save as ${kind}`, click }, kind);
  return h("span", { class: "saves" },
    button("PNG", () => withTitle(title, picture).toBlob((blob) => blob && download(blob, `${file}.png`, "image/png"))),
    button("CSV", () => download(table().map((row) => row.join(",")).join("\n") + "\n", `${file}.csv`, "text/csv")));
}

const TITLE_HEIGHT = 28;

function withTitle(title: string, picture: HTMLCanvasElement): HTMLCanvasElement {
  const density = picture.width / picture.clientWidth;
  const copy = h("canvas", { width: picture.width, height: picture.height + Math.round(TITLE_HEIGHT * density) });
  const context = copy.getContext("2d")!;
  const { card, ink } = colours();
  context.fillStyle = card;
  context.fillRect(0, 0, copy.width, copy.height);
  context.fillStyle = ink;
  context.font = `${13 * density}px ui-sans-serif, system-ui, sans-serif`;
  context.fillText(title, 10 * density, 19 * density);
  context.drawImage(picture, 0, copy.height - picture.height);
  return copy;
}
