import type { App } from "./app.ts";

/** What a panel's module exports: it fills the element once, when the panel is first shown. */
export interface PanelModule {
  mount(element: HTMLElement, app: App): void;
}

export interface PanelEntry {
  /** The route: #id. */
  id: string;
  title: string;
  load(): Promise<PanelModule>;
}

/** The panels, in the order of their tabs; the first is shown where the address names none. */
export const panels: readonly PanelEntry[] = [
  { id: "neuron", title: "Neuron", load: () => import("./neuron/panel.ts") },
  { id: "kernels", title: "Kernels", load: () => import("./kernels/panel.ts") },
  { id: "train", title: "Train", load: () => import("./train/panel.ts") },
  { id: "race", title: "Race", load: () => import("./race/panel.ts") },
];
