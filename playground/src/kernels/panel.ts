import type { App } from "../app.ts";

export function mount(element: HTMLElement, _: App): void {
  element.textContent = "";
}
