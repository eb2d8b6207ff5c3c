import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { javascript } from "@codemirror/lang-javascript";
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { EditorState, StateEffect, StateField, Transaction } from "@codemirror/state";
import { Decoration, type DecorationSet, drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import type { Complaint } from "../engine/protocol.ts";

export interface CodeMirrorOptions {
  parent: HTMLElement;
  text: string;
  selection: number;
  scrollTop: number;
  /** The id of what describes the text: the mistake found in it. */
  message: string;
  change(text: string): void;
}

/** What CodeMirror does for the editor in the text area's place. */
export interface RichEditor {
  set(text: string): void;
  mark(complaint: Complaint | null): void;
  focus(): void;
}

/** CodeMirror with the page's colours. The Tab key leaves it, as it leaves every other field. */
export function codeMirror({ parent, text, selection, scrollTop, message, change }: CodeMirrorOptions): RichEditor {
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      selection: { anchor: selection },
      extensions: [
        lineNumbers(), history(), drawSelection(), indentOnInput(), bracketMatching(), highlightActiveLine(),
        keymap.of([...defaultKeymap, ...historyKeymap]),
        javascript(), syntaxHighlighting(colours), mistakes,
        EditorView.contentAttributes.of({ "aria-label": "Definition of the neuron", "aria-describedby": message }),
        EditorView.updateListener.of(({ docChanged, transactions, state }) => {
          if (docChanged && !transactions.some((transaction) => transaction.annotation(Transaction.remote))) change(state.doc.toString());
        }),
      ],
    }),
  });
  view.scrollDOM.scrollTop = scrollTop;
  return {
    set(next) {
      if (view.state.doc.toString() === next) return;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next }, annotations: Transaction.remote.of(true) });
    },
    mark: (complaint) => view.dispatch({ effects: found.of(complaint) }),
    focus: () => view.focus(),
  };
}

const found = StateEffect.define<Complaint | null>();

const mistakes = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(decorations, { changes, effects, state }) {
    const effect = effects.findLast((each) => each.is(found));
    if (!effect) return decorations.map(changes);
    const place = effect.value?.place;
    if (!place || place.from > state.doc.length) return Decoration.none;
    const from = Math.min(place.from, Math.max(0, state.doc.length - 1));
    const to = Math.max(from + 1, Math.min(place.to, state.doc.lineAt(from).to));
    const line = Decoration.line({ class: "wrong-line" }).range(state.doc.lineAt(from).from);
    return Decoration.set(to > state.doc.length ? [line] : [line, Decoration.mark({ class: "wrong-text" }).range(from, to)]);
  },
  provide: (field) => EditorView.decorations.from(field),
});

const colours = HighlightStyle.define([
  { tag: tags.comment, class: "comment" },
  { tag: [tags.keyword, tags.definitionKeyword, tags.controlKeyword, tags.moduleKeyword], class: "keyword" },
  { tag: [tags.number, tags.bool], class: "number" },
  { tag: tags.string, class: "string" },
  { tag: [tags.function(tags.variableName), tags.function(tags.propertyName)], class: "call" },
]);
