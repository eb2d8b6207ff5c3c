export const count = (value: number): string => value.toLocaleString("en-US", { maximumFractionDigits: 0 });

/** `value` with three significant digits or as many as its integer part has. */
export const significant = (value: number): string => {
  if (!Number.isFinite(value)) return "–";
  return value.toLocaleString("en-US", value >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 });
};

export const percent = (fraction: number, digits = 1): string =>
  Number.isFinite(fraction) ? `${(fraction * 100).toFixed(digits)}\u202f%` : "–";

export const fixed = (value: number, digits: number): string => (Number.isFinite(value) ? value.toFixed(digits) : "–");

/** 850 ms, 12.5 s, 3 min 20 s. */
export function duration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return "–";
  if (milliseconds < 1000) return `${significant(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${significant(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
}
