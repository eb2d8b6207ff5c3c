import { html, type Html } from "./html.ts";

/** Horizontal bars of one or more parts, as a table that also reads without its colours. */
export interface BarRow {
  name: string;
  parts: readonly { kind: string; value: number }[];
  /** The values in words. */
  text: string;
}

/** @param full what the longest bar that there is room for stands for */
export const barTable = (caption: string, rows: readonly BarRow[], full: number): Html => html`<table class="bars wide">
<caption class="unseen">${caption}</caption>
<tbody>${rows.map(({ name, parts, text }) => html`<tr><th scope="row">${name}</th><td class="bar">${parts.map(({ kind, value }) => html`<i class="${kind}" style="width:${barWidth(value / full)}"></i>`)}</td><td>${text}</td></tr>
`)}</tbody></table>`;

/** Of a bar, as CSS. */
export const barWidth = (fraction: number): string => `${Math.round(Math.max(0, Math.min(1, fraction || 0)) * 1000) / 10}%`;

export const largestTotal = (rows: readonly BarRow[]): number => Math.max(...rows.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0)));
