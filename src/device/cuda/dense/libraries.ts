import type { CudaContext } from "../context.ts";
import { CublasLt } from "../cublasLt.ts";
import { Cudnn } from "../cudnn.ts";
import { StreamStopwatch } from "../trials.ts";

/** How engines of convolutions are chosen: the fastest of those tried on the device, or the first by cuDNN's heuristics. */
export type EngineChoice = "tried" | "heuristic";

/** NVIDIA's libraries of one context, each opened when something needs it: a network without convolutions needs no cuDNN. */
export class Libraries {
  readonly #context: CudaContext;
  readonly #choice: EngineChoice;
  #cublasLt: CublasLt | undefined;
  #cudnn: Cudnn | undefined;

  constructor(context: CudaContext, choice: EngineChoice) {
    this.#context = context;
    this.#choice = choice;
  }

  /** @throws DeviceError that names the package to install if there is none. */
  get cublasLt(): CublasLt {
    return (this.#cublasLt ??= this.#open("cuBLASLt", () => CublasLt.open(this.#context.driver)));
  }

  /** @throws DeviceError that names the package to install if there is none. */
  get cudnn(): Cudnn {
    return (this.#cudnn ??= this.#open("cuDNN", () => Cudnn.open(this.#context.driver, { stopwatch: this.#choice === "tried" ? new StreamStopwatch(this.#context) : undefined })));
  }

  #open<L extends { dispose(): void }>(name: string, open: () => L): L {
    this.#context.refuseCapture(`opening ${name}`);
    const library = open();
    this.#context.atEnd(() => library.dispose());
    return library;
  }
}
