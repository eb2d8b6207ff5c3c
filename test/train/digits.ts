import type { ImageDataset } from "../../src/data/dataset.ts";
import { Random } from "../../src/data/random.ts";
import { lif } from "../../src/neuron/library/index.ts";
import { atan } from "../../src/neuron/surrogate.ts";
import { linear, rate, sequential, spiking, type Layer } from "../../src/nn/index.ts";

const SIDE = 4;
const CLASSES = 4;

/** Images of 4 × 4 with one bright quadrant each, the class, in noise. */
export function quadrants(count: number, seed: number): ImageDataset {
  const random = new Random(seed);
  const images = new Uint8Array(count * SIDE * SIDE);
  const labels = Uint8Array.from({ length: count }, () => random.integer(CLASSES));
  for (let i = 0; i < images.length; i++) {
    const [row, column, label] = [Math.floor(i / SIDE) % SIDE, i % SIDE, labels[Math.floor(i / (SIDE * SIDE))]];
    const bright = Math.floor(row / 2) * 2 + Math.floor(column / 2) === label;
    images[i] = (bright ? 110 : 40) + random.integer(100);
  }
  return { name: `quadrants ${seed}`, images, labels, count, height: SIDE, width: SIDE, channels: 1, classes: CLASSES };
}

/** A network that learns them in a few dozen updates. */
export function smallNetwork(hidden = 24, tau = 2, classes = CLASSES): Layer {
  const neuron = () => lif({ tau, decayInput: false, detachReset: true, surrogate: atan() });
  return sequential(linear(SIDE * SIDE, hidden), spiking(neuron()), linear(hidden, classes), spiking(neuron()), rate());
}
