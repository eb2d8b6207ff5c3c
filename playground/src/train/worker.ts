import type { ByteDataset } from "../../../src/data/dataset.ts";
import { loadMnist } from "../../../src/data/mnist.ts";
import type { Device } from "../../../src/device/device.ts";
import { failureOf } from "../compute/failure.ts";
import { readNeuron } from "../compute/neuron.ts";
import { openChosen } from "../compute/device.ts";
import type { DeviceChoice, OpenedDevice } from "../compute/protocol.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";
import { Session } from "./session.ts";

/** Trains, apart from the page, which stays responsive. */
const page = self as unknown as {
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
};
const tell = (message: FromWorker, transfer: Transferable[] = []): void => page.postMessage(message, transfer);

let open: { choice: DeviceChoice; device: Device; opened: OpenedDevice } | null = null;
let data: Promise<[ByteDataset, ByteDataset]> | null = null;
let session: Session | null = null;

async function start({ settings, data: directory, weights, run }: Extract<ToWorker, { kind: "start" }>): Promise<void> {
  await session?.dispose();
  session = null;
  const neuron = readNeuron(settings.neuron);
  if (open?.choice !== settings.device) {
    tell({ kind: "status", text: settings.device === "webgpu" ? "Opening the GPU" : "Starting WebAssembly" });
    await open?.device.dispose();
    open = null;
    open = { choice: settings.device, ...(await openChosen(settings.device)) };
  }
  tell({ kind: "status", text: "Loading images" });
  data ??= Promise.all([loadMnist({ directory, split: "train" }), loadMnist({ directory, split: "test" })]);
  data.catch(() => { data = null; });
  const [train, test] = await data;
  tell({ kind: "status", text: "Compiling kernels" });
  const built = new Session(settings, neuron, open.device, train, test, tell);
  try {
    if (weights) built.restore(weights);
  } catch (error) {
    await built.dispose();
    throw error;
  }
  session = built;
  tell({
    kind: "ready", device: open.opened, parameters: built.parameters, trainImages: Math.min(train.count, settings.images), testImages: test.count,
    neuron: settings.neuron.source,
  });
  if (run) return built.run();
  tell({ kind: "state", state: "loaded" });
  // Drawings are read meanwhile; another session may begin, too.
  await built.check(test.count).catch((error: unknown) => {
    if (session === built) throw error;
  });
}

const handlers: { [Kind in ToWorker["kind"]]: (message: Extract<ToWorker, { kind: Kind }>) => unknown } = {
  start,
  continue: () => session?.run(),
  pause: () => session?.pause(),
  look: ({ image }) => session?.look(image),
  save: () => session?.save(),
};

page.onmessage = async ({ data: message }) => {
  try {
    await (handlers[message.kind] as (message: ToWorker) => unknown)(message);
  } catch (error) {
    tell({ kind: "failed", fatal: message.kind !== "save", ...failureOf(error) });
  }
};
