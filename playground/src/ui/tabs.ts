import { h } from "./dom.ts";

export interface Tab {
  id: string;
  title: string;
  /** The element it shows. */
  controls?: string;
  /** Where it links to, if it is a route. */
  href?: string;
}

/** Makes an element a list of tabs: one stop of the Tab key; arrow keys, Home and End choose. Returns what marks a tab as chosen. */
export function tabs(list: HTMLElement, entries: readonly Tab[], choose: (id: string) => void): (id: string) => void {
  const elements = new Map<string, HTMLElement>();
  for (const { id, title, controls, href } of entries) {
    const attributes = { id: `tab-${id}`, role: "tab", "aria-controls": controls, click: () => choose(id) };
    const element = href ? h("a", { ...attributes, href }, title) : h("button", { ...attributes, type: "button" }, title);
    elements.set(id, element);
    list.append(element);
  }
  const ids = [...elements.keys()];
  list.addEventListener("keydown", (event) => {
    const at = ids.findIndex((id) => elements.get(id) === event.target);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: ids.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const id = ids.at(to % ids.length)!;
    elements.get(id)!.focus();
    choose(id);
  });
  return (chosen) => {
    for (const [id, element] of elements) {
      element.setAttribute("aria-selected", String(id === chosen));
      element.tabIndex = id === chosen ? 0 : -1;
    }
  };
}
