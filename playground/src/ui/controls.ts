import { format, h, uniqueId } from "./dom.ts";

export interface Control<Value> {
  readonly element: HTMLElement;
  /** Shows a value without telling anybody. */
  set(value: Value): void;
}

export interface SliderOptions {
  label: string;
  min: number;
  max: number;
  step: number;
  /** What may be typed, where it is more than the slider reaches. */
  bounds?: readonly [number, number];
  title?: string;
  change(value: number): void;
}

/** A number by slider, or typed; typing reaches beyond the slider's ends. */
export function slider({ label, min, max, step, bounds = [-Infinity, Infinity], title, change }: SliderOptions): Control<number> {
  const id = uniqueId("value");
  const range = h("input", { type: "range", id, min, max, step, "aria-label": label });
  const number = h("input", { type: "number", step: "any", "aria-label": `${label}, typed`, inputmode: "decimal" });
  const show = (value: number): void => {
    range.value = String(value);
    range.setAttribute("aria-valuetext", format(value));
    const share = (Math.min(max, Math.max(min, value)) - min) / (max - min);
    range.style.setProperty("--share", String(share));
  };
  range.addEventListener("input", () => {
    number.value = range.value;
    show(Number(range.value));
    change(Number(range.value));
  });
  number.addEventListener("input", () => {
    const value = number.valueAsNumber;
    const right = value >= bounds[0] && value <= bounds[1];
    number.setAttribute("aria-invalid", String(!right));
    if (!right) return;
    show(value);
    change(value);
  });
  return {
    element: h("div", { class: "control slider", title }, h("label", { for: id }, label), number, range),
    set(value) {
      show(value);
      if (number.valueAsNumber !== value) number.value = String(Number(value.toPrecision(6)));
      number.removeAttribute("aria-invalid");
    },
  };
}

export interface ChoiceOptions<Value extends string> {
  label: string;
  /** Values and what they are called; in groups, if they have names. */
  choices: readonly (readonly [Value, string])[] | Readonly<Record<string, readonly (readonly [Value, string])[]>>;
  title?: string;
  change(value: Value): void;
}

export function choice<Value extends string>({ label, choices, title, change }: ChoiceOptions<Value>): Control<Value> {
  const id = uniqueId("choice");
  const options = (entries: readonly (readonly [Value, string])[]) => entries.map(([value, name]) => h("option", { value }, name));
  const children = Array.isArray(choices) ? options(choices) : Object.entries(choices).map(([group, entries]) => h("optgroup", { label: group }, ...options(entries)));
  const select = h("select", { id, change: () => change(select.value as Value) }, ...children);
  return { element: h("div", { class: "control choice", title }, h("label", { for: id }, label), select), set(value) { select.value = value; } };
}

export function flag({ label, title, change }: { label: string; title?: string; change(value: boolean): void }): Control<boolean> {
  const box = h("input", { type: "checkbox", change: () => change(box.checked) });
  return { element: h("label", { class: "control flag", title }, box, h("span", {}, label)), set(value) { box.checked = value; } };
}
