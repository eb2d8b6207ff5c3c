import { benchNeuron } from "../../../src/bench/neuron.ts";
import { openChosen } from "../compute/device.ts";
import { failureOf } from "../compute/failure.ts";
import { readNeuron } from "../compute/neuron.ts";
import type { FromWorker, RaceRequest } from "./protocol.ts";

/** Races fused kernels against steps, apart from the page. It lives for one request. */
const page = self as unknown as { postMessage(message: FromWorker): void; onmessage: ((event: MessageEvent<RaceRequest>) => void) | null };
const tell = (message: FromWorker): void => page.postMessage(message);

async function race({ device: choice, neuron: source, steps: eachSteps, neurons, repetitions, warmUp }: RaceRequest): Promise<void> {
  const neuron = readNeuron(source);
  tell({ kind: "status", text: choice === "webgpu" ? "Opening the GPU" : "Starting WebAssembly" });
  const { device, opened } = await openChosen(choice);
  tell({ kind: "device", device: opened });
  for (const steps of eachSteps) {
    tell({ kind: "status", text: `T = ${steps}: compiling and warming up` });
    const bench = await benchNeuron({
      neuron, steps, neurons, device, repetitions, warmUp,
      onRound: ({ round, milliseconds }) => tell({ kind: "lap", steps, lap: milliseconds, round, repetitions }),
    });
    tell({ kind: "result", bench });
  }
  await device.dispose();
  tell({ kind: "done" });
}

page.onmessage = async ({ data }) => {
  try {
    await race(data);
  } catch (error) {
    tell({ kind: "failed", ...failureOf(error) });
  }
};
