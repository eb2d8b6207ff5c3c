// Makes events of MNIST as N-MNIST has them, and writes them as files of its format in its layout (Train/5/00001.bin …):
//
//   npm run -s build && node scripts/simulate-nmnist.mjs --out data/nmnist-simulated
//   node scripts/simulate-nmnist.mjs --out data/nmnist-simulated --limit 1000 --seed 1
//
// They are SIMULATED, no recordings: a digit moves by N-MNIST's three saccades (G. Orchard, A. Jayawant, G. Cohen and N. Thakor, "Converting static image datasets
// to spiking neuromorphic datasets using saccades", Frontiers in Neuroscience 9, 2015) before a sensor of 34 × 34 pixels, each of which tells, with no delay, whenever
// the logarithm of its light has changed by a threshold, and by chance now and then. Lens, screen, bandwidth and refractory times of the real sensor are left out.
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { loadMnist, Random, writeNmnist } from "../dist/data/index.js";

const SENSOR = 34;
const IMAGE = 28;
const BEFORE = -0.5;
/** Corners that a digit moves to, pixels, and the µs of a saccade. The data set's own code for undoing the motion has these. */
const CORNERS = [[0, 0], [3.5, 7], [7, 0], [0, 0]];
const SACCADE = 105_000;
/** µs at either end of a saccade in which nothing moves, so that most events fall where those of recordings do. */
const REST = 5_000;
const STEP = 1_000;
/** Light of a black pixel, where a white one has 1 more. */
const BLACK = 0.1;
/** Change of the logarithm of light that makes an event: chosen so that a digit makes about as many, 4 000, as in the data set. */
const THRESHOLD = 0.51;
/** Standard deviation of the thresholds among the pixels. */
const MISMATCH = 0.04;
/** Events by chance per pixel and second. */
const NOISE = 0.35;
const LEVELS = 1024;
/** Black pixels around an image: more than it moves and the sensor is larger. */
const PAD = 10;
const STRIDE = IMAGE + 2 * PAD;

const logOfLight = Float64Array.from({ length: LEVELS }, (_, level) => Math.log(level / (LEVELS - 1) + BLACK));

/** Where the digit is after each step: [x, y], along straight lines with as little jerk as can be. */
const path = Array.from({ length: (3 * SACCADE) / STEP + 1 }, (_, step) => {
  const time = step * STEP;
  const saccade = Math.min(2, Math.floor(time / SACCADE));
  const progress = Math.min(1, Math.max(0, (time - saccade * SACCADE - REST) / (SACCADE - 2 * REST)));
  const share = progress ** 3 * (10 - 15 * progress + 6 * progress ** 2);
  return [0, 1].map((axis) => BEFORE + CORNERS[saccade][axis] + share * (CORNERS[saccade + 1][axis] - CORNERS[saccade][axis]));
});

/**
 * The thresholds of a sensor's pixels.
 * @param {Random} random
 */
export function makeSensor(random) {
  const thresholds = () => Float64Array.from({ length: SENSOR * SENSOR }, () => THRESHOLD * (1 + MISMATCH * random.normal()));
  return { on: thresholds(), off: thresholds() };
}

/**
 * @param {Uint8Array} pixels [28, 28]
 * @param {{ on: Float64Array, off: Float64Array }} sensor
 * @param {Random} random
 */
export function simulateDigit(pixels, sensor, random) {
  // Time, row, column and polarity of an event in one number each, so that sorting them is quick.
  const events = [];
  const emit = (time, at, polarity) => events.push((Math.min(3 * SACCADE - 1, Math.floor(time)) * SENSOR * SENSOR + at) * 2 + polarity);
  const [left, right, top, bottom] = extent(pixels);
  const [x0, x1, y0, y1] = [Math.max(0, left - 2), Math.min(SENSOR - 1, right + 8), Math.max(0, top - 2), Math.min(SENSOR - 1, bottom + 8)];
  const light = padded(pixels);
  const before = new Float64Array(SENSOR * SENSOR);
  const reference = new Float64Array(SENSOR * SENSOR);
  path.forEach(([shiftX, shiftY], step) => {
    if (step > 0 && shiftX === path[step - 1][0] && shiftY === path[step - 1][1]) return;
    const [column, row] = [Math.floor(-shiftX), Math.floor(-shiftY)];
    const [fx, fy] = [-shiftX - column, -shiftY - row];
    // Weights of bilinear interpolation: of the pixel, of those right of it, below it, and both.
    const [a, b, c, d] = [(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy];
    for (let y = y0; y <= y1; y++) {
      for (let x = x0, at = y * SENSOR + x0, from = (y + row + PAD) * STRIDE + x0 + column + PAD; x <= x1; x++, at++, from++) {
        const now = logOfLight[Math.round(a * light[from] + b * light[from + 1] + c * light[from + STRIDE] + d * light[from + STRIDE + 1])];
        if (step === 0) {
          // Where between two thresholds a pixel begins is chance.
          reference[at] = now + (random.uniform() - 0.5) * THRESHOLD;
        } else if (now !== before[at]) {
          for (; now - reference[at] >= sensor.on[at]; ) {
            reference[at] += sensor.on[at];
            emit(STEP * (step - (now - reference[at]) / (now - before[at])), at, 1);
          }
          for (; reference[at] - now >= sensor.off[at]; ) {
            reference[at] -= sensor.off[at];
            emit(STEP * (step - (now - reference[at]) / (now - before[at])), at, 0);
          }
        }
        before[at] = now;
      }
    }
  });
  const duration = 3 * SACCADE;
  for (let time = wait(random); time < duration; time += wait(random)) emit(time, random.integer(SENSOR * SENSOR), random.integer(2));
  return decode(Float64Array.from(events).sort());
}

/** µs until the next event by chance on any pixel. */
const wait = (random) => (-Math.log(1 - random.uniform()) * 1e6) / (NOISE * SENSOR * SENSOR);

/** The image with black around it, as indices of `logOfLight`. */
function padded(pixels) {
  const light = new Float64Array(STRIDE * STRIDE);
  for (let i = 0; i < pixels.length; i++) light[(Math.floor(i / IMAGE) + PAD) * STRIDE + (i % IMAGE) + PAD] = (pixels[i] / 255) * (LEVELS - 1);
  return light;
}

function extent(pixels) {
  const lit = [...pixels.keys()].filter((i) => pixels[i] > 0);
  const columns = lit.map((i) => i % IMAGE);
  return [Math.min(...columns), Math.max(...columns), Math.floor(lit[0] / IMAGE), Math.floor(lit.at(-1) / IMAGE)];
}

function decode(codes) {
  const place = (code) => Math.floor(code / 2) % (SENSOR * SENSOR);
  return {
    x: Uint16Array.from(codes, (code) => place(code) % SENSOR), y: Uint16Array.from(codes, (code) => Math.floor(place(code) / SENSOR)),
    t: codes.map((code) => Math.floor(code / (2 * SENSOR * SENSOR))), p: Uint8Array.from(codes, (code) => code % 2), width: SENSOR, height: SENSOR,
  };
}

/**
 * Writes digits `start` … `end` − 1 of a split.
 * @returns {number} how many events they have
 */
function writeDigits({ images, labels, folder, seed, start, end }, done = (_count) => {}) {
  const source = new Random(seed);
  const sensor = makeSensor(source.fork("sensor"));
  let events = 0;
  for (let i = start; i < end; i++) {
    const digit = simulateDigit(images.subarray(i * IMAGE * IMAGE, (i + 1) * IMAGE * IMAGE), sensor, source.fork(`${folder} ${i}`));
    writeFileSync(join(folder, String(labels[i]), `${String(i + 1).padStart(5, "0")}.bin`), writeNmnist(digit));
    events += digit.t.length;
    if ((i + 1 - start) % 500 === 0) done(500);
  }
  return events;
}

/**
 * @param {object} options
 * @param {string} options.out
 * @param {number} [options.limit] digits of each split
 * @param {number} [options.seed]
 * @param {number} [options.workers]
 * @param {(line: string) => void} [options.log]
 */
export async function simulateNmnist({ out, limit, seed = 0, workers = availableParallelism(), log = () => {} }) {
  for (const [split, name] of /** @type {const} */ ([["train", "Train"], ["test", "Test"]])) {
    const { images, labels, count } = await loadMnist({ split, limit });
    const folder = join(out, name);
    for (let digit = 0; digit < 10; digit++) mkdirSync(join(folder, String(digit)), { recursive: true });
    const start = performance.now();
    let written = 0;
    const progress = (more) => {
      written += more;
      if (written % 5000 === 0) log(`${name}: ${written} of ${count}, ${(written / (performance.now() - start) * 1000).toFixed(0)}/s`);
    };
    const shared = new Uint8Array(new SharedArrayBuffer(images.length));
    shared.set(images);
    const length = Math.min(workers, count);
    const parts = Array.from({ length }, (_, i) => [Math.floor((i * count) / length), Math.floor(((i + 1) * count) / length)]);
    const counts = await Promise.all(parts.map(([from, end]) => inWorker({ images: shared, labels, folder, seed, start: from, end }, progress)));
    const events = counts.reduce((sum, each) => sum + each, 0);
    log(`${folder}: ${count} digits, ${(events / count).toFixed(0)} events each on average, ${((performance.now() - start) / 1000).toFixed(1)} s`);
  }
}

/** @returns {Promise<number>} */
function inWorker(data, progress) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: data });
    worker.on("message", ({ done, events }) => (events === undefined ? progress(done) : resolve(events)));
    worker.on("error", reject);
  });
}

if (!isMainThread && workerData?.folder) parentPort.postMessage({ events: writeDigits(workerData, (done) => parentPort.postMessage({ done })) });
else if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { out: { type: "string" }, limit: { type: "string" }, seed: { type: "string", default: "0" } } });
  if (!values.out) {
    console.error("usage: node scripts/simulate-nmnist.mjs --out DIRECTORY [--limit DIGITS_OF_EACH_SPLIT] [--seed N]");
    process.exitCode = 2;
  } else await simulateNmnist({ out: values.out, limit: values.limit === undefined ? undefined : Number(values.limit), seed: Number(values.seed), log: console.log });
}
