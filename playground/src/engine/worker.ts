import { DefinitionError } from "../definition/error.ts";
import { runBench } from "./bench.ts";
import { printKernels } from "./kernels.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";

/** The engine: reads definitions and runs them, apart from the page, which ends it if it takes too long. */
const page = self as unknown as { postMessage(message: FromWorker | "ready"): void; onmessage: ((event: MessageEvent<ToWorker>) => void) | null };

page.onmessage = ({ data: { id, request } }) => {
  try {
    page.postMessage({ id, result: request.kind === "bench" ? runBench(request) : printKernels(request) });
  } catch (error) {
    const message = error instanceof RangeError ? "the definition is too large" : (error as Error).message;
    page.postMessage({ id, complaint: { message, place: error instanceof DefinitionError ? error.place : null } });
  }
};
page.postMessage("ready");
