import type { App } from "../app.ts";
import { EngineError } from "../engine/client.ts";
import type { KernelsResult, Target } from "../engine/protocol.ts";
import { bounds } from "../link.ts";
import { sourceOf } from "../neuron/builtins.ts";
import { picker } from "../neuron/picker.ts";
import type { State } from "../state.ts";
import { choice, slider } from "../ui/controls.ts";
import { copyButton } from "../ui/copy.ts";
import { eachFrame, h } from "../ui/dom.ts";
import { tabs } from "../ui/tabs.ts";
import { highlight } from "./highlight.ts";

type Kernels = State["kernels"];

const titles: Readonly<Record<Target, string>> = { wgsl: "WGSL", cuda: "CUDA C++", wat: "WebAssembly" };
const formats: [Kernels["spikes"], string][] = [["f32", "f32"], ["f16", "f16"], ["bf16", "bf16"], ["u8", "u8: bytes"], ["bits", "bits: 32 steps a word"]];

/** What the engine must know to print the kernels again. */
const asked = ({ kernels: { steps, inputs, spikes } }: State) => ({ steps, inputs, spikes });

/** The step of the neuron, and the kernels that it is compiled to. */
export function mount(element: HTMLElement, app: App): void {
  let result: KernelsResult | null = null;
  const set = <K extends keyof Kernels>(key: K) => (value: Kernels[K]): void => app.set({ kernels: { ...app.state.kernels, [key]: value } });

  const pick = picker(app, () => app.open("neuron"));
  const steps = slider({ label: "T, steps", min: 1, max: 256, step: 1, bounds: bounds.kernelSteps, change: (value) => set("steps")(Math.round(value)) });
  const inputs = choice({ label: "inputs read as", choices: formats.slice(0, 3) as [Kernels["inputs"], string][], change: set("inputs") });
  const spikes = choice({ label: "spikes written as", choices: formats, change: set("spikes") });

  const code = (label: string) => h("pre", { class: "code", tabindex: "0", role: "region", "aria-label": label });
  const step = code("The neuron's step");
  const plan = code("The plan");
  const kernel = code("The kernel's source");
  kernel.id = "kernel-source";
  kernel.setAttribute("role", "tabpanel");
  const size = h("span", { class: "size" });
  const message = h("p", { class: "message", role: "status" });

  const targetList = h("div", { class: "tabs", role: "tablist", "aria-label": "Target" });
  const directionList = h("div", { class: "tabs small", role: "tablist", "aria-label": "Direction" });
  const markTarget = tabs(targetList, Object.entries(titles).map(([id, title]) => ({ id, title, controls: kernel.id })), (id) => set("target")(id as Target));
  const markDirection = tabs(directionList, ["forward", "backward"].map((id) => ({ id, title: id === "forward" ? "Forward" : "Backward", controls: kernel.id })), (id) => set("direction")(id as Kernels["direction"]));

  element.append(h("div", { class: "kernels" },
    h("h1", { class: "hidden" }, "Kernels"),
    h("div", { class: "card settings" }, pick.element, steps.element, inputs.element, spikes.element, message),
    h("div", { class: "card listing step" }, h("header", {}, h("h2", {}, "One step")), step),
    h("div", { class: "card listing kernel" }, h("header", {}, targetList, directionList, size, copyButton("Copy", () => kernel.textContent ?? "")), kernel),
    h("div", { class: "card listing plan" }, h("header", {}, h("h2", {}, "Plan of both kernels")), plan),
  ));

  const showKernel = (): void => {
    if (!result) return;
    const { target, direction } = app.state.kernels;
    const found = result[direction][target];
    if ("error" in found) kernel.replaceChildren(found.error);
    else kernel.replaceChildren(highlight(found.text, target));
    size.textContent = "error" in found ? "" : `${found.text.split("\n").length} lines`;
    kernel.scrollTo(0, 0);
  };

  const show = (state: State): void => {
    pick.show(state);
    steps.set(state.kernels.steps);
    inputs.set(state.kernels.inputs);
    spikes.set(state.kernels.spikes);
    markTarget(state.kernels.target);
    markDirection(state.kernels.direction);
  };

  const compute = async (): Promise<void> => {
    const { state } = app;
    try {
      const found = await app.engine.run<"kernels">({ kind: "kernels", source: sourceOf(state), ...asked(state) });
      if (!found) return;
      result = found;
      step.replaceChildren(highlight(state.neuron === "code" ? state.code : found.neuron.text, "javascript"));
      plan.replaceChildren(highlight(found.plan, "plan"));
      message.classList.remove("wrong");
      message.textContent = "";
      showKernel();
    } catch (error) {
      message.classList.add("wrong");
      const place = error instanceof EngineError ? error.complaint.place : null;
      message.textContent = `${place ? `Line ${place.line}: ` : ""}${(error as Error).message}`;
    }
  };

  const later = eachFrame(() => void compute());
  app.subscribe((state, before) => {
    show(state);
    if (sourceOf(state) !== sourceOf(before) || JSON.stringify(asked(state)) !== JSON.stringify(asked(before))) later();
    else if (state.kernels !== before.kernels) showKernel();
  });
  show(app.state);
  void compute();
}
