/** The design's colours, for canvases. */
export type Colours = Record<"ink" | "muted" | "rule" | "grid" | "spike" | "line" | "second" | "third" | "card" | "paper", string>;

const names: (keyof Colours)[] = ["ink", "muted", "rule", "grid", "spike", "line", "second", "third", "card", "paper"];

let known: Colours | null = null;
const listeners = new Set<() => void>();

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  known = null;
  for (const listener of listeners) listener();
});

export function colours(): Colours {
  const style = getComputedStyle(document.documentElement);
  known ??= Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()])) as Colours;
  return known;
}

/** Calls back when the colour scheme changes. */
export const onColours = (listener: () => void): void => { listeners.add(listener); };
