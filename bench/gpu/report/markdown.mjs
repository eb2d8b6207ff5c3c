/** @param {string[]} head @param {string[][]} rows */
export const table = (head, rows) =>
  [`| ${head.join(" | ")} |`, `|${head.map((_, i) => (i === 0 ? "---" : "--:")).join("|")}|`, ...rows.map((row) => `| ${row.join(" | ")} |`), ""].join("\n");

/** @param {number} x */
export const digits = (x) => (x >= 100 ? x.toFixed(0) : x.toPrecision(3));

/** @param {number | undefined} share */
export const percent = (share) => (share === undefined ? "–" : `${(100 * share).toFixed(0)} %`);
