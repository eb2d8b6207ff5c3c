import type { App } from "../app.ts";
import { EngineError } from "../engine/client.ts";
import type { NeuronDescription } from "../engine/protocol.ts";
import { POPULATION, type State } from "../state.ts";
import { eachFrame, h } from "../ui/dom.ts";
import { copyButton } from "../ui/copy.ts";
import { sourceOf } from "./builtins.ts";
import { editor } from "./editor.ts";
import { inputControls } from "./inputControls.ts";
import { parameters } from "./parameters.ts";
import { picker } from "./picker.ts";
import { plots } from "./plots.ts";

/** The neuron bench: choose or write a neuron, drive it, see what it does. */
export function mount(element: HTMLElement, app: App): void {
  let neuron: NeuronDescription | null = null;

  const pick = picker(app, () => {
    app.set({ neuron: "code", code: app.state.neuron === "code" ? app.state.code : neuron?.text ?? "", params: {} });
    text.focus();
  });
  const text = editor((code) => app.set({ neuron: "code", code, params: app.state.neuron === "code" ? app.state.params : {} }));
  const values = parameters(app);
  const input = inputControls(app);
  const pictures = plots((shown) => app.set({ shown }));

  element.append(h("div", { class: "bench" },
    h("h1", { class: "hidden" }, "Neuron bench"),
    h("div", { class: "card neuron" }, h("div", { class: "head" }, pick.element, copyButton("Copy link", () => app.link)), text.element, values.element),
    pictures.element,
    h("div", { class: "card drive" }, h("h2", {}, "Input"), input.element),
  ));

  const show = (state: State): void => {
    pick.show(state);
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
      text.took(result.milliseconds);
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
