/** A number with its thousands apart, which do not part at the end of a line. */
export const thousands = (value: number): string => Math.round(value).toLocaleString("en").replaceAll(",", "\u00a0");

/** A share of one, with a digit after the point. */
export const percent = (share: number): string => (Number.isFinite(share) ? `${(100 * share).toFixed(1)}\u00a0%` : "–");
