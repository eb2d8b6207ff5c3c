import type { App } from "./app.ts";

/** What a panel's module exports: it fills the element once, when the panel is first shown. */
export interface PanelModule {
  mount(element: HTMLElement, app: App): void;
}

export interface PanelEntry {
  /** The route: #id. */
  id: string;
  title: string;
  /** What the panel shows, in a sentence or two. */
  lead: string;
  load(): Promise<PanelModule>;
}

/** The panels, in the order of their tabs; the first is shown where the address names none. */
export const panels: readonly PanelEntry[] = [
  {
    id: "neuron", title: "Neuron", load: () => import("./neuron/panel.ts"),
    lead: "A spiking neuron adds up its input and fires where its membrane reaches the threshold. Choose one or write one, move its parameters, and see its states, its spikes and the gradient that training would use.",
  },
  {
    id: "kernels", title: "Kernels", load: () => import("./kernels/panel.ts"),
    lead: "One time step of the neuron, and the code that it becomes for each device: all T steps in one kernel, forward and backward.",
  },
  {
    id: "train", title: "Train", load: () => import("./train/panel.ts"),
    lead: "A network of spiking neurons learns to read handwritten digits, on your machine. Draw one at once: a network that was trained before reads it.",
  },
  {
    id: "race", title: "Race", load: () => import("./race/panel.ts"),
    lead: "The same neurons twice, on your device: all T time steps in one kernel, and one launch for each step. Which is faster, and by how much?",
  },
];
