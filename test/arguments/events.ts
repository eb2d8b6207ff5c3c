import type { Events } from "../../src/index.ts";
import { loadCifar10Dvs, loadDvsGesture, loadNmnist, loadShd, loadSsc, randman, Random, toFrames, toTimesurface, toVoxelGrid, transform } from "../../src/index.ts";
import { argument, callback, choice, count, flag, natural, notNegative, options, positive, row, type Row, share, text } from "./table.ts";

const makeEvents = (): Events => ({ x: Uint16Array.of(0, 1), y: Uint16Array.of(0, 0), t: Float64Array.of(0, 5), p: Uint8Array.of(0, 1), width: 2, height: 1 });
const events = argument(makeEvents);
const random = argument(() => new Random(1));
const origin = argument(() => "file", "number", "negative", "fraction");
const frames = { steps: count, by: choice("count"), duration: positive, origin, channels: argument(() => 1) };
const cached = { limit: count, cache: text, onProgress: callback };
const size = argument(() => [1, 1], "list of numbers");
const range = argument(() => 0.5, "fraction");
const pair = argument(() => 0.5, "fraction", "number", "list of numbers");
const any = argument(() => 5, "number", "negative", "fraction");

const factories: Record<string, Row> = Object.fromEntries(Object.entries({
  denoise: row(transform.denoise, { options: options({ filterTime: notNegative }, "filterTime") }),
  refractoryPeriod: row(transform.refractoryPeriod, { options: options({ delta: notNegative }, "delta") }),
  dropEvent: row(transform.dropEvent, { options: options({ p: range }, "p") }),
  dropEventByTime: row(transform.dropEventByTime, { options: options({ durationRatio: range }) }),
  dropEventByArea: row(transform.dropEventByArea, { options: options({ areaRatio: range }) }),
  uniformNoise: row(transform.uniformNoise, { options: options({ n: argument(() => 3, "number", "list of numbers") }, "n") }),
  mergePolarities: row(transform.mergePolarities),
  centerCrop: row(transform.centerCrop, { options: options({ size: argument(() => 1, "number", "list of numbers") }, "size") }),
  randomCrop: row(transform.randomCrop, { options: options({ targetSize: size }, "targetSize") }),
  downsample: row(transform.downsample, { options: options({ timeFactor: positive, spatialFactor: share, targetSize: size }) }),
  randomFlipLR: row(transform.randomFlipLR, { options: options({ p: share }) }),
  randomFlipUD: row(transform.randomFlipUD, { options: options({ p: share }) }),
  randomFlipPolarity: row(transform.randomFlipPolarity, { options: options({ p: share }) }),
  spatialJitter: row(transform.spatialJitter, { options: options({ varX: positive, varY: positive, sigmaXY: argument(() => 0.5, "fraction", "negative") }) }),
  cropTime: row(transform.cropTime, { options: options({ min: any, max: any }) }),
  timeJitter: row(transform.timeJitter, { options: options({ std: notNegative, clipNegative: flag }, "std") }),
  timeSkew: row(transform.timeSkew, { options: options({ coefficient: pair, offset: argument(() => 0, "number", "fraction", "negative", "list of numbers") }, "coefficient") }),
}).map(([name, given]) => [`transform.${name}`, given]));

/** A loader of files that are not there. */
const loader = (load: Row["call"], given: Record<string, Parameters<typeof options>[0][string]>): Row =>
  ({ ...row(load, { directory: argument(() => "nowhere", "text"), options: options({ ...given, ...cached }, "split", "steps") }), incomplete: true });
const camera = { ...frames, split: choice("train"), transform: argument(() => transform.mergePolarities()), seed: natural };
const cochlea = { split: choice("train"), steps: count, duration: positive, origin, units: count };

export const recordings: Record<string, Row> = {
  toFrames: row(toFrames, { events, options: options(frames, "steps") }),
  toVoxelGrid: row(toVoxelGrid, { events, options: options({ timeBins: count }, "timeBins") }),
  toTimesurface: row(toTimesurface, { events, options: options({ dt: positive, tau: positive }, "dt", "tau") }),
  ...factories,
  "transform.compose": row(transform.compose, { transforms: argument(() => transform.mergePolarities(), "function") }),
  "transform.compose()": row(transform.compose(transform.mergePolarities()), { events }),
  "transform.namedTransform": row(transform.namedTransform, { key: text, transform: callback }),
  "transform.denoise()": row(transform.denoise({ filterTime: 1 }), { events }),
  "transform.dropEvent()": row(transform.dropEvent({ p: 0.5 }), { events, random }),
  ...Object.fromEntries(Object.entries({ loadNmnist, loadDvsGesture, loadCifar10Dvs }).map(([name, load]) => [name, loader(load, camera)])),
  ...Object.fromEntries(Object.entries({ loadShd, loadSsc }).map(([name, load]) => [name, loader(load, cochlea)])),
  randman: row(randman, {
    options: options({ classes: count, dimension: count, units: count, samples: count, alpha: positive, steps: count, seed: natural, split: text }, "classes", "samples"),
  }),
};
