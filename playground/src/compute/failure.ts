import { SpikefoldError } from "../../../src/errors.ts";
import { DefinitionError } from "../definition/error.ts";
import type { Failure } from "./protocol.ts";

/** An error in words for the visitor. */
export function failureOf(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  const lost = /GPU was lost \((.*?)\)/.exec(message);
  if (lost) return { message: `The GPU was lost: ${lost[1] || "the browser does not say why"}`, advice: "Press Start: the GPU is opened anew. If it is lost again, choose WebAssembly." };
  return { message, advice: adviceFor(error, message) };
}

const advices: readonly (readonly [RegExp, string])[] = [
  [/out of memory|allocation|memory.*grow|bytes, a (buffer|kernel) of this GPU/i, "Choose a smaller network, a smaller batch or fewer time steps, then press Start."],
  [/fetch|network|HTTP|load failed/i, "Check the connection, then press Start."],
];

function adviceFor(error: unknown, message: string): string | null {
  if (error instanceof DefinitionError) return "Mend the definition in the Neuron panel, or choose another neuron.";
  const known = advices.find(([pattern]) => pattern.test(message));
  if (known) return known[1];
  return error instanceof SpikefoldError ? null : "Press Start to try again; if it happens again, choose the other device.";
}
