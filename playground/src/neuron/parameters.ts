import type { App } from "../app.ts";
import type { NeuronDescription } from "../engine/protocol.ts";
import type { OptionValue, State } from "../state.ts";
import { choice, type Control, flag, slider } from "../ui/controls.ts";
import { h } from "../ui/dom.ts";
import { optionsOf } from "./builtins.ts";

export interface Parameters {
  readonly element: HTMLElement;
  /** Shows the options of a built-in neuron, or the parameters of a definition as it was last read. */
  show(state: State, neuron: NeuronDescription | null): void;
}

/** A control as it should be, to be compared with what is there. */
interface Wanted {
  key: string;
  value: OptionValue;
  make(): Control<never>;
}

/** Controls of the neuron. They are made anew when there are others, and keep the focus when only their values change. */
export function parameters(app: App): Parameters {
  const element = h("div", { class: "controls" });
  let made = new Map<string, Control<never>>();
  return {
    element,
    show(state, neuron) {
      const wanted = state.neuron === "code" ? ofCode(app, neuron) : ofBuiltin(app, state);
      if (wanted.length !== made.size || wanted.some(({ key }) => !made.has(key))) {
        const kept = made;
        made = new Map(wanted.map(({ key, make }) => [key, kept.get(key) ?? make()]));
        element.replaceChildren(...[...made.values()].map((control) => control.element));
      }
      for (const { key, value } of wanted) made.get(key)!.set(value as never);
    },
  };
}

function ofBuiltin(app: App, state: State): Wanted[] {
  return optionsOf(state).map(({ option, value }) => {
    const change = (next: OptionValue): void => {
      const { scale, ...others } = app.state.options;
      const rest = option.name === "surrogate" || scale === undefined ? others : app.state.options;
      app.set({ options: { ...rest, [option.name]: next } });
    };
    const { name, label, title } = option;
    const make = (): Control<never> => {
      switch (option.kind) {
        case "number": return slider({ label, title, min: option.min, max: option.max, step: option.step, change }) as Control<never>;
        case "choice": return choice({ label, title, choices: option.choices, change }) as Control<never>;
        case "flag": return flag({ label, title, change }) as Control<never>;
      }
    };
    return { key: `${state.neuron} ${name} ${label} ${option.kind === "number" ? option.max : ""}`, value, make };
  });
}

/** Parameters, and inputs after the first, which are held constant. */
function ofCode(app: App, neuron: NeuronDescription | null): Wanted[] {
  if (!neuron) return [];
  const held = Object.fromEntries(neuron.inputs.slice(1).map((name) => [name, 1]));
  return Object.entries({ ...neuron.params, ...held }).map(([name, initial]) => {
    const [min, max] = rangeOf(initial);
    const change = (value: number): void => app.set({ params: { ...app.state.params, [name]: value } });
    const label = name in held ? `${name} (input)` : name;
    return {
      key: `code ${name} ${initial}`,
      value: app.state.params[name] ?? initial,
      make: () => slider({ label, min, max, step: (max - min) / 200, change }) as Control<never>,
    };
  });
}

/** Where a slider should reach, from the value that it begins with: a decay stays in [0, 1]. */
export function rangeOf(value: number): [number, number] {
  if (value === 0) return [-1, 1];
  if (value > 0 && value <= 1) return [0, 1];
  const end = Number((value * 3).toPrecision(2));
  return value > 0 ? [0, end] : [end, 0];
}
