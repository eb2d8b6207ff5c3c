import type { App } from "../app.ts";
import type { State } from "../state.ts";
import { choice } from "../ui/controls.ts";
import { builtins } from "./builtins.ts";
import { examples } from "./examples.ts";

/** Chooses among the built-in neurons, the examples and one's own, of which `write` is to begin one. */
export function picker(app: App, write: () => void): { element: HTMLElement; show(state: State): void } {
  const control = choice<string>({
    label: "Neuron",
    choices: {
      "Built in": Object.entries(builtins).map(([name, { title }]) => [name, title]),
      Examples: Object.entries(examples).map(([name, { title }]) => [`example:${name}`, title]),
      Yours: [["code", "Write your own"]],
    },
    change(value) {
      const example = value.startsWith("example:") ? examples[value.slice("example:".length)] : undefined;
      if (value === "code") write();
      else app.set({ neuron: example ? "code" : value, code: example?.code ?? app.state.code, options: {}, params: {} });
    },
  });
  return {
    element: control.element,
    show(state) {
      const example = Object.entries(examples).find(([, { code }]) => state.neuron === "code" && code === state.code);
      control.set(example ? `example:${example[0]}` : state.neuron);
    },
  };
}
