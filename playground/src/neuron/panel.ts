import type { App } from "../app.ts";
import { EngineError } from "../engine/client.ts";
import type { NeuronDescription } from "../engine/protocol.ts";
import { POPULATION, type State } from "../state.ts";
import { choice } from "../ui/controls.ts";
import { eachFrame, h } from "../ui/dom.ts";
import { builtins, sourceOf } from "./builtins.ts";
import { editor } from "./editor.ts";
import { examples } from "./examples.ts";
import { inputControls } from "./inputControls.ts";
import { parameters } from "./parameters.ts";
import { plots } from "./plots.ts";

const OWN = "code";

/** The neuron bench: choose or write a neuron, drive it, see what it does. */
export function mount(element: HTMLElement, app: App): void {
  let neuron: NeuronDescription | null = null;

  const pick = choice<string>({
    label: "Neuron",
    choices: {
      "Built in": Object.entries(builtins).map(([name, { title }]) => [name, title]),
      Examples: Object.entries(examples).map(([name, { title }]) => [`example:${name}`, title]),
      Yours: [[OWN, "Write your own"]],
    },
    change(value) {
      const example = examples[value.replace("example:", "")];
      if (value === OWN) {
        app.set({ neuron: "code", code: app.state.neuron === "code" ? app.state.code : neuron?.text ?? "", params: {} });
        text.focus();
      } else app.set(example ? { neuron: "code", code: example.code, params: {} } : { neuron: value, options: {}, params: {} });
    },
  });
  const text = editor((code) => app.set({ neuron: "code", code, params: app.state.neuron === "code" ? app.state.params : {} }));
  const values = parameters(app);
  const input = inputControls(app);
  const pictures = plots((shown) => app.set({ shown }));

  element.append(h("div", { class: "bench" },
    h("h1", { class: "hidden" }, "Neuron bench"),
    h("div", { class: "card neuron" }, h("div", { class: "head" }, pick.element, copyLink(app)), text.element, values.element),
    pictures.element,
    h("div", { class: "card drive" }, h("h2", {}, "Input"), input.element),
  ));

  const show = (state: State): void => {
    const example = Object.entries(examples).find(([, { code }]) => state.neuron === "code" && code === state.code);
    pick.set(example ? `example:${example[0]}` : state.neuron);
    if (state.neuron === "code") text.set(state.code);
    values.show(state, neuron);
    input.show(state);
  };

  const compute = async (): Promise<void> => {
    const { state } = app;
    const run = { steps: state.steps, size: POPULATION, shown: state.shown };
    try {
      const result = await app.engine.run<"bench">({ kind: "bench", source: sourceOf(state), params: state.params, input: { ...state.input }, ...run });
      if (!result) return;
      neuron = result.neuron;
      if (app.state.neuron !== "code" && app.state.neuron === state.neuron) text.set(neuron.text);
      text.mark(null);
      pictures.stale(false);
      values.show(app.state, neuron);
      pictures.show(result, run);
    } catch (error) {
      pictures.stale(true);
      text.mark(error instanceof EngineError ? error.complaint : { message: String(error), place: null });
    }
  };

  const later = eachFrame(() => void compute());
  app.subscribe((state) => {
    show(state);
    later();
  });
  show(app.state);
  void compute();
}

function copyLink(app: App): HTMLElement {
  const button = h("button", { type: "button", class: "quiet" }, "Copy link");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(app.link);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy link"; }, 1500);
  });
  return button;
}
