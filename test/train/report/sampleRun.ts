import { confusionMatrix, rasterOf, type EpochReport, type MembraneTrace, type RunReport, type SampleReport, spreadOf } from "../../../src/train/report/data.ts";

/** Uniform in 0…1, the same every time. */
function randomStream(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Pen strokes on a 28 × 28 sheet. */
const strokes: Record<number, [number, number][]> = {
  0: [[14, 6], [9, 9], [8, 15], [10, 21], [14, 23], [18, 20], [20, 14], [18, 8], [14, 6]],
  1: [[15, 5], [14, 14], [13, 23]],
  2: [[9, 9], [12, 6], [17, 7], [18, 11], [13, 17], [8, 22], [14, 21], [20, 22]],
  4: [[10, 6], [8, 14], [19, 13], [19, 6], [18, 23]],
  5: [[19, 6], [11, 6], [10, 13], [16, 13], [18, 17], [15, 22], [9, 21]],
  7: [[8, 7], [19, 7], [15, 14], [12, 23]],
};

function drawDigit(digit: number) {
  const distance = (x: number, y: number, [ax, ay]: [number, number], [bx, by]: [number, number]) => {
    const along = Math.max(0, Math.min(1, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2)));
    return Math.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay));
  };
  const path = strokes[digit];
  const pixels = Array.from({ length: 28 * 28 }, (_, i) => {
    const nearest = Math.min(...path.slice(1).map((end, k) => distance(i % 28, Math.floor(i / 28), path[k], end)));
    return Math.round(255 * Math.max(0, Math.min(1, 2.1 - nearest)));
  });
  return { width: 28, height: 28, pixels };
}

/** A layer of leaky integrate-and-fire neurons, tau = 2, hard reset, driven by `drive(t, neuron)`. */
function simulateLayer(steps: number, neurons: number, drive: (t: number, neuron: number) => number) {
  const spikes = new Float32Array(steps * neurons);
  const potential = new Float32Array(steps * neurons);
  const v = new Float32Array(neurons);
  for (let t = 0; t < steps; t++)
    for (let n = 0; n < neurons; n++) {
      const h = v[n] + (drive(t, n) - v[n]) / 2;
      const fired = h >= 1;
      spikes[t * neurons + n] = fired ? 1 : 0;
      potential[t * neurons + n] = h;
      v[n] = fired ? 0 : h;
    }
  return { spikes, potential };
}

function sampleOf(digit: number, prediction: number, steps: number, random: () => number): SampleReport {
  const widths = [512, 512, 10];
  const drives = widths.map((width) => Float32Array.from({ length: width }, () => 3.2 * random() - 1.3));
  drives[2].fill(0.35).set([0.9], (prediction + 2) % 10);
  drives[2].set([1.9], prediction);
  if (prediction !== digit) drives[2][digit] = 1.5;
  const layers = widths.map((width, i) =>
    simulateLayer(steps, width, (t, n) => drives[i][n] + (i > 0 ? 1.1 * (random() - 0.5) - (t < i ? 1 : 0) : 0)),
  );
  const rates = Array.from({ length: 10 }, (_, k) => {
    let sum = 0;
    for (let t = 0; t < steps; t++) sum += layers[2].spikes[t * 10 + k];
    return sum / steps;
  });
  const loudest = (layer: number) => drives[layer].findIndex((drive) => drive > 1.15 && drive < 1.5);
  const trace = (layer: number, neuron: number): MembraneTrace => {
    const at = (values: Float32Array) => Array.from({ length: steps }, (_, t) => values[t * widths[layer] + neuron]);
    return { layer: `lif${layer + 1}`, neuron, v: at(layers[layer].potential), spikes: at(layers[layer].spikes).map(Boolean), threshold: 1 };
  };
  return {
    image: drawDigit(digit),
    label: digit,
    prediction,
    scores: rates,
    layers: layers.map(({ spikes }, i) => ({ ...rasterOf(`lif${i + 1}`, spikes, steps), classes: i === 2 })),
    membranes: [trace(0, loudest(0)), trace(1, loudest(1)), trace(2, prediction)],
  };
}

/** 10 000 test samples, some of them taken for a class that looks alike. */
function confused(random: () => number): number[][] {
  const alike = [6, 7, 3, 5, 9, 3, 0, 2, 3, 4];
  const labels = Array.from({ length: 10_000 }, () => Math.floor(10 * random()));
  return confusionMatrix(labels, labels.map((label) => (random() < 0.98 ? label : random() < 0.6 ? alike[label] : Math.floor(10 * random()))), 10);
}

/** The training of a small network on handwritten digits, made up but plausible. */
export function sampleRun({ steps: timeSteps = 8, epochs = 6, stepsPerEpoch = 469 } = {}): RunReport {
  const random = randomStream(7);
  const noise = () => random() + random() + random() - 1.5;
  const lossAt = (step: number) => 0.028 + 2.2 * Math.exp(-step / 45) + 0.42 * Math.exp(-step / 420);
  const errorAt = (loss: number) => 0.9 * (1 - Math.exp(-loss / 2.8));
  const epochReports = Array.from({ length: epochs }, (_, i): EpochReport => {
    const trainLoss = lossAt((i + 0.6) * stepsPerEpoch);
    const testLoss = 0.055 + 0.9 * lossAt((i + 1) * stepsPerEpoch) + 0.004 * noise();
    return {
      epoch: i + 1,
      trainLoss,
      trainAccuracy: 1 - errorAt(trainLoss),
      testLoss,
      testAccuracy: 1 - 0.7 * errorAt(testLoss),
      seconds: 16.4 + noise(),
      samplesPerSecond: 3640 + 100 * noise(),
    };
  });
  return {
    title: "MLP 784-512-512-10 on MNIST",
    model: [
      { name: "linear", outputShape: [512], parameters: 401_920 },
      { name: "lif1", outputShape: [512], parameters: 0 },
      { name: "linear", outputShape: [512], parameters: 262_656 },
      { name: "lif2", outputShape: [512], parameters: 0 },
      { name: "linear", outputShape: [10], parameters: 5130 },
      { name: "lif3", outputShape: [10], parameters: 0 },
      { name: "rate", outputShape: [10], parameters: 0 },
    ],
    options: { "time steps": timeSteps, batch: 128, epochs, encoder: "constant", surrogate: "atan, alpha 2" },
    training: { optimiser: "adam, lr 0.001", loss: "crossEntropy, of count", schedule: "cosine", seed: 1 },
    environment: { device: "cpu, 2 threads, relaxed SIMD", spikefold: "0.1.0", processor: "A processor, 2 cores", node: "v20.20.2", date: "2026-03-14 15:09" },
    epochs: epochReports,
    steps: Array.from({ length: epochs * stepsPerEpoch }, (_, i) => {
      const loss = lossAt(i) * Math.exp(0.35 * noise());
      return { step: i + 1, loss, accuracy: Math.round(128 * Math.max(0, Math.min(1, 1 - errorAt(loss) + 0.01 * noise()))) / 128 };
    }),
    samples: [[7, 7], [2, 2], [1, 1], [0, 0], [4, 4], [5, 2]].map(([digit, seen]) => sampleOf(digit, seen, timeSteps, random)),
    firingRates: [["lif1", 0.142, 512], ["lif2", 0.087, 512], ["lif3", 0.112, 10]].map(([layer, rate, neurons]) =>
      ({ layer, rate, neurons: spreadOf(Array.from({ length: neurons as number }, () => Math.max(0, Math.min(1, (rate as number) * (1 + 2 * noise()))))) })) as RunReport["firingRates"],
    confusion: confused(random),
    stepTime: { fusedMs: 31.4, stepwiseMs: 118.2, speedup: 3.76, fused: { dense: 21, neuron: 3.5, rest: 4.5 }, stepwise: { dense: 80, neuron: 22, rest: 11 } },
    scoreName: "firing rate",
    notes: ["Test accuracy is measured on all 10 000 test samples after every epoch."],
  };
}
