import type { ByteDataset } from "../../../src/data/dataset.ts";
import * as encode from "../../../src/data/encode.ts";
import { Random } from "../../../src/data/random.ts";
import type { Device } from "../../../src/device/device.ts";
import type { Neuron } from "../../../src/neuron/define.ts";
import { Model, Recorder } from "../../../src/nn/index.ts";
import { adam, crossEntropy, encodeModel, restoreModel, schedule, type StepEvent, Trainer } from "../../../src/train/index.ts";
import { first } from "./data.ts";
import { lookAt } from "./look.ts";
import { buildNetwork } from "./networks.ts";
import type { FromWorker, ImageSource, WeightsFile } from "./protocol.ts";
import { type TrainSettings, toNotes } from "./settings.ts";
import { shift } from "./shift.ts";

type Tell = (message: FromWorker, transfer?: Transferable[]) => void;

/** Images of the test set for the accuracy in the middle of an epoch. */
const CHECKED = 500;
/** Updates between two such checks. */
const CHECK_EVERY = 25;
const TELL_EVERY_MS = 100;
const KEEP_EVERY_MS = 3000;

/** A network, its trainer and its data. */
export class Session {
  readonly model: Model;
  readonly #settings: TrainSettings;
  readonly #trainer: Trainer;
  readonly #train: ByteDataset;
  readonly #test: ByteDataset;
  readonly #tell: Tell;
  #running: Promise<void> | null = null;
  /** Resolves when a pause ends. */
  #gate: { opens: Promise<void>; open(): void } | null = null;

  constructor(settings: TrainSettings, neuron: Neuron, device: Device, train: ByteDataset, test: ByteDataset, tell: Tell) {
    this.#settings = settings;
    this.#train = first(train, settings.images);
    this.#test = test;
    this.#tell = tell;
    const { height, width, channels } = train;
    const body = buildNetwork(settings.network, neuron);
    this.model = Model.build(body, { device, inputShape: [height, width, channels], steps: settings.steps, random: new Random(1) });
    this.#trainer = new Trainer(this.model, {
      optimizer: adam({ lr: settings.learningRate }), schedule: schedule.cosine(), loss: crossEntropy({ of: "count" }), seed: 1,
    });
  }

  get parameters(): number {
    return this.model.summary().reduce((sum, { parameters }) => sum + parameters, 0);
  }

  restore({ bytes, name }: WeightsFile): void {
    restoreModel(this.model, bytes, name);
  }

  /** Trains for the epochs of the settings, or goes on after a pause. */
  async run(): Promise<void> {
    this.#tell({ kind: "state", state: "running" });
    if (this.#gate) this.#gate.open();
    this.#gate = null;
    this.#running ??= this.#fit();
    await this.#running;
  }

  pause(): void {
    if (!this.#running || this.#gate) return;
    let open = (): void => {};
    this.#gate = { opens: new Promise<void>((resolve) => { open = resolve; }), open: () => open() };
  }

  async look(source: ImageSource): Promise<void> {
    const index = typeof source === "number" ? source % this.#test.count : null;
    const size = this.#test.height * this.#test.width;
    const image = index === null ? (source as Uint8Array) : this.#test.images.slice(index * size, (index + 1) * size);
    const seen = await lookAt(this.model, encode[this.#settings.encoder], image);
    this.#tell({ kind: "look", image, label: index === null ? null : this.#test.labels[index], ...seen });
  }

  async save(kind: "saved" | "kept" = "saved"): Promise<void> {
    const { network, neuronName, steps } = this.#settings;
    const bytes = await encodeModel(this.model, toNotes(this.#settings));
    this.#tell({ kind, bytes, name: `spikefold-${network}-${neuronName}-T${steps}.safetensors` }, [bytes.buffer]);
  }

  /** Accuracy on some images of the test set, and how often each layer fires on them. */
  async check(images = CHECKED): Promise<void> {
    using recorder = new Recorder();
    const { accuracy, samples } = await this.#trainer.evaluate(first(this.#test, images), { encoder: encode[this.#settings.encoder], recorder });
    this.#tell({ kind: "checked", step: this.#step, accuracy, images: samples, rates: await recorder.firingRates() });
  }

  /** Ends a training that is under way and frees what the session has on the device. */
  async dispose(): Promise<void> {
    this.#trainer.stop();
    this.#gate?.open();
    this.#gate = null;
    await this.#running?.catch(() => {});
    this.#trainer.dispose();
    this.model.dispose();
  }

  #step = 0;

  async #fit(): Promise<void> {
    const { epochs, batchSize, encoder, shift: moves } = this.#settings;
    let waiting: { step: number; loss: number; accuracy: number }[] = [];
    let [toldAt, trained, since, keptAt] = [0, 0, performance.now(), performance.now()];
    const tellProgress = ({ totalSteps, epoch }: Pick<StepEvent, "totalSteps" | "epoch">): void => {
      const { batchSize: size } = this.#settings;
      this.#tell({ kind: "progress", steps: waiting, totalSteps, epoch, samplesPerSecond: (1000 * waiting.length * size) / trained });
      [waiting, trained, toldAt] = [[], 0, performance.now()];
    };
    try {
      const { finished } = await this.#trainer.fit(this.#train, {
        epochs, restartSchedule: true, batchSize, encoder: encode[encoder], augment: moves ? shift : undefined,
        onStep: async ({ step, loss, accuracy, totalSteps, epoch }) => {
          trained += performance.now() - since;
          this.#step = step;
          waiting.push({ step, loss, accuracy });
          if (performance.now() - toldAt > TELL_EVERY_MS || step === totalSteps || this.#gate) tellProgress({ totalSteps, epoch });
          if (step === 1 || step % CHECK_EVERY === 0) await this.check();
          if (performance.now() - keptAt > KEEP_EVERY_MS) {
            await this.save("kept");
            keptAt = performance.now();
          }
          if (this.#gate) {
            await this.save("kept");
            this.#tell({ kind: "state", state: "paused" });
            await this.#gate.opens;
          }
          since = performance.now();
        },
      });
      if (!finished) return;
      await this.check(this.#test.count);
      await this.save("kept");
      this.#tell({ kind: "state", state: "finished" });
    } finally {
      this.#running = null;
    }
  }
}
