export type Point = readonly [x: number, y: number];

/** Maps a domain onto 0…1 and names the values worth a tick. */
export interface Scale {
  (value: number): number;
  readonly domain: readonly [number, number];
  readonly ticks: readonly number[];
}

/** Domain [lo, hi] with at most about `count` ticks at 1, 2 or 5 · 10ᵏ. */
export function linearScale(lo: number, hi: number, count = 5): Scale {
  if (!(hi > lo)) [lo, hi] = [lo - 0.5, lo + 0.5];
  const rough = (hi - lo) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((mantissa) => mantissa >= (rough / power) * (1 - 1e-9)) ?? 10);
  const ticks: number[] = [];
  for (let i = Math.ceil(lo / step - 1e-9); i * step <= hi + step * 1e-9; i++) ticks.push(Number((i * step).toPrecision(12)));
  return Object.assign((value: number) => (value - lo) / (hi - lo), { domain: [lo, hi] as const, ticks });
}

/** As `linearScale`, logarithmic; 0 < lo < hi. */
export function logScale(lo: number, hi: number): Scale {
  const decades = Math.log10(hi / lo);
  const mantissas = decades > 3 ? [1] : decades > 1.5 ? [1, 3] : [1, 2, 5];
  const ticks: number[] = [];
  for (let k = Math.floor(Math.log10(lo)); k <= Math.log10(hi); k++)
    for (const mantissa of mantissas) {
      const tick = Number((mantissa * 10 ** k).toPrecision(12));
      if (tick >= lo && tick <= hi) ticks.push(tick);
    }
  return Object.assign((value: number) => Math.log10(value / lo) / decades, { domain: [lo, hi] as const, ticks });
}

/**
 * The mean over `reach` points to either side; fewer at the start, where curves are steep and a lopsided mean would lag.
 * NaN and infinities are left out.
 */
export function smooth(points: readonly Point[], reach: number): Point[] {
  const finite = points.filter(([, y]) => Number.isFinite(y));
  const sums = [0];
  for (const [, y] of finite) sums.push(sums[sums.length - 1] + y);
  return finite.map(([x], i) => {
    const half = Math.min(reach, i);
    const to = Math.min(finite.length, i + half + 1);
    return [x, (sums[to] - sums[i - half]) / (to - i + half)];
  });
}

/** At most `limit` items of equal ranges: of each the lowest and the highest, so that no peak gets lost. */
export function decimate<T>(items: readonly T[], value: (item: T) => number, limit: number): T[] {
  if (items.length <= limit) return [...items];
  const buckets = Math.max(1, Math.floor(limit / 2));
  const kept: T[] = [];
  for (let bucket = 0; bucket < buckets; bucket++) {
    const from = Math.floor((bucket * items.length) / buckets);
    const to = Math.floor(((bucket + 1) * items.length) / buckets);
    let low = from;
    let high = from;
    for (let i = from + 1; i < to; i++) {
      if (value(items[i]) < value(items[low])) low = i;
      if (value(items[i]) > value(items[high])) high = i;
    }
    kept.push(...(low === high ? [items[low]] : [items[Math.min(low, high)], items[Math.max(low, high)]]));
  }
  return kept;
}
