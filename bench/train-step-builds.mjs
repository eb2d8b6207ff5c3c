// A training step of the reference models in this build and in another, taking turns:
//   node bench/train-step-builds.mjs OTHER_DIST [--model mlp|conv] [--turns 10] [--repetitions 5]
// Prints one JSON object; milliseconds of the fused step, and the median of the turns' ratios.
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { model: { type: "string", default: "mlp" }, turns: { type: "string", default: "10" }, repetitions: { type: "string", default: "5" } },
});
if (positionals.length !== 1 || (values.model !== "mlp" && values.model !== "conv")) throw new Error("usage: OTHER_DIST [--model mlp|conv]; see the head of this file");
const { model } = values;

/** @param {string} dist */
async function load(dist) {
  const { openDevice } = /** @type {typeof import("spikefold")} */ (await import(`${dist}index.js`));
  const { benchTrain } = /** @type {typeof import("../dist/bench/train.js")} */ (await import(`${dist}bench/train.js`));
  const device = await openDevice("cpu");
  return { device, step: async () => (await benchTrain({ model, device, repetitions: Number(values.repetitions) })).fusedMs };
}

const builds = [await load(new URL("../dist/", import.meta.url).href), await load(`${pathToFileURL(resolve(positionals[0]))}/`)];
/** @type {number[][]} */
const times = builds.map(() => []);
for (let turn = -1; turn < Number(values.turns); turn++) {
  for (const i of turn % 2 === 0 ? [0, 1] : [1, 0]) {
    const ms = await builds[i].step();
    if (turn >= 0) times[i].push(ms);
  }
}
for (const { device } of builds) await device.dispose();

/** @param {readonly number[]} numbers */
function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}
console.log(JSON.stringify({
  model, turns: times[0].length, repetitions: Number(values.repetitions), thisMs: median(times[0]), otherMs: median(times[1]), thisToOther: median(times[0].map((ms, i) => ms / times[1][i])),
}));
