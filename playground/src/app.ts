import { Engine } from "./engine/client.ts";
import { toHash } from "./link.ts";
import { initialState, type State } from "./state.ts";

/** What panels share: the settings, which the address keeps, and the engine that reads and runs definitions. */
export class App {
  readonly engine = new Engine();
  #state: State = initialState;
  /** The panel that is shown. */
  panel = "";
  /** Shows another panel. */
  readonly open: (panel: string) => void;
  readonly #listeners = new Set<(state: State, before: State) => void>();

  constructor(open: (panel: string) => void) {
    this.open = open;
  }

  get state(): State { return this.#state; }

  /** Changes settings; listeners are told at once. */
  set(change: Partial<State>): void {
    const before = this.#state;
    this.#state = { ...before, ...change };
    for (const listener of this.#listeners) listener(this.#state, before);
  }

  /** The address of the page as it is now. */
  get link(): string { return new URL(`#${toHash(this.panel, this.#state)}`, location.href).href; }

  subscribe(listener: (state: State, before: State) => void): void { this.#listeners.add(listener); }
}
