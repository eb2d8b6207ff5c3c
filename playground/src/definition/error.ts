import { SpikefoldError } from "../../../src/errors.ts";

/** Part of a definition's text: offsets, and the first character's line (from 1) and column (from 1). */
export interface Place {
  from: number;
  to: number;
  line: number;
  column: number;
}

/** A definition's text is not in the language, or the neuron it describes makes no sense. */
export class DefinitionError extends SpikefoldError {
  readonly place: Place;

  constructor(message: string, place: Place) {
    super(message);
    this.place = place;
  }
}
