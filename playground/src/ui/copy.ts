import { h } from "./dom.ts";

/** A button that copies a text and says so. */
export function copyButton(label: string, text: () => string): HTMLElement {
  const button = h("button", { type: "button", class: "quiet", "aria-live": "polite" }, label);
  button.addEventListener("click", async () => {
    const done = await navigator.clipboard.writeText(text()).then(() => "Copied", () => "Not allowed");
    button.textContent = done;
    setTimeout(() => { button.textContent = label; }, 1500);
  });
  return button;
}
