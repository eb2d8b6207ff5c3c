import { exportScript } from "./exportScript.ts";
import { html, json, raw, type Html } from "./html.ts";
import { chartData, type LineChart } from "./lineChart.ts";
import { script } from "./script.ts";
import { sixDigits } from "./file.ts";
import { style, styleWithoutScript } from "./style.ts";

/** The file cannot reach the network even if something in it tried. */
const policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";
const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Cpath d='M1 1v2M1 5v2M4 2v4M7 1v1M7 4v3' stroke='%235b5bd6' stroke-width='1.2'/%3E%3C/svg%3E";

export interface Page {
  title: string;
  /** Above the title: "training report". */
  kind: string;
  lead: string;
  /** Under the lead. */
  header?: Html;
  sections: readonly (Html | false | undefined)[];
  /** Those in the sections, whose values the script reads off. */
  charts: readonly LineChart[];
  /** JSON, embedded in #run-data and saved under this name with .json. */
  data: { text: string; name: string };
}

/** One self-contained HTML page: no network, light and dark, for phone, desk and print. The drawings are static and need no script. */
export const renderPage = ({ title, kind, lead, header, sections, charts, data }: Page): string => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Spikefold">
<title>${title}</title>
<link rel="icon" href="${icon}">
<link rel="expect" href="#save" blocking="render">
<style>${raw(style)}</style>
<noscript><style>${raw(styleWithoutScript)}</style></noscript>
</head>
<body>
<header>
<p class="brand">Spikefold · ${kind}</p>
<h1>${title}</h1>
<p class="lead">${lead}</p>
${header}
</header>
<main>
${sections}
</main>
<footer><p>Written by Spikefold. <button type="button" id="save" data-name="${data.name}">Save the data as JSON</button></p></footer>
<script type="application/json" id="run-data">${json(data.text)}</script>
<script type="application/json" id="chart-data">${json(JSON.stringify(charts.map(chartData), sixDigits))}</script>
<script>${raw(script)}${raw(exportScript)}</script>
</body>
</html>
`.html;
