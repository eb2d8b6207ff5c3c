import type { EncoderMaker } from "../../../src/train/encoding.ts";
import { Random } from "../../../src/data/random.ts";
import { type LayerRecord, type Model, Recorder, Tape } from "../../../src/nn/index.ts";
import type { LayerSpikes, Look } from "./protocol.ts";

/** A raster shows no more neurons of a layer than this, evenly spread. */
const MOST_NEURONS = 64;

/** Runs one image, 784 bytes, through a network and keeps all spikes. */
export async function lookAt(model: Model, encoder: EncoderMaker, image: Uint8Array): Promise<Omit<Look, "kind" | "label" | "image">> {
  const start = performance.now();
  const { device, steps, inputShape } = model;
  // The same stream for each image: a picture that does not change gives a raster that does not flicker.
  const encode = encoder({ steps, random: new Random(0) });
  const encoded = encode(Float32Array.from(image, (byte) => byte / 255), [1, ...inputShape]);
  using recorder = new Recorder({ spikes: true });
  using input = device.tensor(encoded.data, encoded.shape);
  using tape = new Tape(device, { steps, training: false, recorder });
  const output = model.forward(tape, tape.input(input, { timeConstant: encoded.shape[0] === 1 && steps > 1 }));
  const rates = (await device.read(output.value)) as Float32Array;
  const layers = (await recorder.records()).map(pick);
  return { steps, layers, counts: Uint16Array.from(rates, (rate) => Math.round(rate * steps)), milliseconds: performance.now() - start };
}

function pick({ layer, shape, steps, spikes }: LayerRecord): LayerSpikes {
  const size = spikes.length / steps;
  const count = Math.min(size, MOST_NEURONS);
  const shown = Array.from({ length: count }, (_, i) => Math.floor((i * size) / count));
  const picked = new Uint8Array(steps * count);
  for (let t = 0; t < steps; t++) for (let i = 0; i < count; i++) picked[t * count + i] = spikes[t * size + shown[i]];
  const counts = new Uint8Array(size);
  for (let i = 0; i < spikes.length; i++) counts[i % size] += spikes[i];
  const rate = counts.reduce((sum, count) => sum + count, 0) / spikes.length;
  return { layer, shape, shown, spikes: picked, rate, counts: shape.length === 3 ? counts : null };
}
