import type { Complaint } from "../engine/protocol.ts";
import { h, uniqueId } from "../ui/dom.ts";
import type { RichEditor } from "./codemirror.ts";
import { reference } from "./reference.ts";

/** Where a definition is written. */
export interface Editor {
  readonly element: HTMLElement;
  set(text: string): void;
  /** Shows a mistake where it is, or that there is none. */
  mark(complaint: Complaint | null): void;
  /** Says how long the run took. */
  took(milliseconds: number): void;
  focus(): void;
}

const HINT = "Edit it: the text is parsed, never evaluated.";

/** A text area, until CodeMirror has come; it works as well. */
export function editor(change: (text: string) => void): Editor {
  const message = uniqueId("message");
  const area = h("textarea", {
    spellcheck: "false", autocapitalize: "off", autocomplete: "off", wrap: "off", "aria-label": "Definition of the neuron", "aria-describedby": message,
    input: () => change(area.value),
  });
  const frame = h("div", { class: "editor" }, area);
  const line = h("p", { class: "message", id: message, role: "status" }, HINT);
  const time = h("span", { class: "time", title: "Reading the text, 64 neurons forward, one backward" });
  let rich: RichEditor | null = null;
  let runs = 0;
  let marked: Complaint | null = null;

  const load = async (): Promise<void> => {
    const { codeMirror } = await import("./codemirror.ts");
    const focused = document.activeElement === area;
    const { selectionStart, scrollTop } = area;
    rich = codeMirror({ parent: frame, text: area.value, selection: selectionStart, scrollTop, message, change });
    area.remove();
    rich.mark(marked);
    if (focused) rich.focus();
  };
  // Where it cannot be loaded, the text area stays.
  let asked = false;
  const enrich = (): void => {
    if (asked || !element.open) return;
    asked = true;
    whenIdle(() => void load().catch(() => undefined));
  };

  const element = h("details", { class: "definition", open: !matchMedia("(max-width: 40rem)").matches }, h("summary", {}, "Definition"), frame, h("div", { class: "below" }, line, time), referenceList());
  element.addEventListener("toggle", enrich);
  enrich();
  return {
    element,
    set(text) {
      if (area.value === text) return;
      area.value = text;
      rich?.set(text);
    },
    mark(complaint) {
      marked = complaint;
      rich?.mark(complaint);
      line.classList.toggle("wrong", complaint !== null);
      line.textContent = !complaint ? HINT : complaint.place ? `Line ${complaint.place.line}, column ${complaint.place.column}: ${complaint.message}` : complaint.message;
    },
    took(milliseconds) {
      // The first run compiles the engine's own code.
      time.textContent = runs++ === 0 ? "" : `run in ${milliseconds.toFixed(1)} ms`;
    },
    focus() {
      element.open = true;
      (rich ?? area).focus();
    },
  };
}

const referenceList = (): HTMLElement => h("details", { class: "reference" }, h("summary", {}, "What can be written"),
  h("dl", {}, ...Object.entries(reference).flatMap(([what, names]) => [h("dt", {}, what), h("dd", {}, names)])));

/** After the first picture of the page. */
function whenIdle(act: () => void): void {
  if ("requestIdleCallback" in window) requestIdleCallback(act, { timeout: 1000 });
  else setTimeout(act, 300);
}
