/** Times updates, alone or with others, and prints milliseconds of wall and CPU time an update as JSON. Arguments: "layer" or "mlp", T, B, micro-batches, updates. */
import { Random } from "../../../src/data/random.ts";
import { arraySequences } from "../../../src/data/sequences.ts";
import { CpuDevice } from "../../../src/device/cpu/device.ts";
import { lif, parametricLif } from "../../../src/neuron/index.ts";
import { linear, Model, rate, sequential, spiking } from "../../../src/nn/index.ts";
import { joinGroup } from "../../../src/parallel/join.ts";
import { sgd, Trainer } from "../../../src/train/index.ts";

const [name, ...numbers] = process.argv.slice(2);
const [steps, batch, microBatches, updates] = numbers.map(Number);
const fire = () => spiking(lif({ decayInput: false }));
const width = name === "layer" ? 512 : 64;
const body = name === "layer" ? sequential(spiking(parametricLif()), rate()) : sequential(linear(64, 256), fire(), linear(256, 256), fire(), linear(256, 10), fire(), rate());

const device = await CpuDevice.open(1);
const group = await joinGroup({ device });
const random = new Random(1);
const sequences = Array.from({ length: batch }, () => {
  const values = new Float32Array(steps * width);
  random.uniformInto(values, 0, 1);
  return values;
});
const data = arraySequences({ name: "noise", shape: [width], sequences, labels: Int32Array.from({ length: batch }, (_, i) => i % 10), classes: 10 });
const model = Model.build(body, { device, inputShape: [width], steps, random });
const trainer = new Trainer(model, { optimizer: sgd({ lr: 1e-3 }), group, parallel: "time", microBatches });
const walls: number[] = [];
let [start, cpu] = [performance.now(), process.cpuUsage()];
let used = 0;
await trainer.fit(data, { epochs: updates + 1, batchSize: batch, onWarning: () => undefined, onStep() {
  const spent = process.cpuUsage(cpu);
  walls.push(performance.now() - start);
  if (walls.length > 1) used += (spent.user + spent.system) / 1000;
  [start, cpu] = [performance.now(), process.cpuUsage()];
} });
const times = walls.slice(1).sort((a, b) => a - b);
console.log(JSON.stringify({ rank: group.rank, size: group.size, least: times[0], median: times[times.length >> 1], cpu: used / times.length }));
await group.dispose();
await device.dispose();
