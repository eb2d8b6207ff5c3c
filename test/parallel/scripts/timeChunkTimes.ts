/** Times passes forward and back, alone or with others, without data and optimiser, and prints milliseconds of wall and CPU time as JSON. Arguments: "layer" or "mlp", T, B, micro-batches, passes. */
import { Random } from "../../../src/data/random.ts";
import { CpuDevice } from "../../../src/device/cpu/device.ts";
import { lif, parametricLif } from "../../../src/neuron/index.ts";
import { clearGradients, linear, Model, rate, sequential, spiking, Tape } from "../../../src/nn/index.ts";
import { TimeChunk } from "../../../src/nn/timeChunk.ts";
import { joinGroup } from "../../../src/parallel/join.ts";

const [name, ...numbers] = process.argv.slice(2);
const [steps, batch, parts, passes] = numbers.map(Number);
const device = await CpuDevice.open(1);
const group = await joinGroup({ device });
const random = new Random(1);
const fire = () => spiking(lif({ decayInput: false }));
const width = name === "layer" ? 512 : 64;
const body = name === "layer" ? sequential(spiking(parametricLif()), rate()) : sequential(linear(64, 256), fire(), linear(256, 256), fire(), linear(256, 10), fire(), rate());
const model = Model.build(body, { device, inputShape: [width], steps, random });
const count = new TimeChunk(group, steps).count;
const inputs = Array.from({ length: parts }, () => {
  const values = new Float32Array((count * batch * width) / parts);
  random.uniformInto(values, 0, 1);
  return device.tensor(values, [count, batch / parts, width]);
});

async function pass(): Promise<void> {
  const made = inputs.map((x) => {
    const carry = group.size > 1 ? new TimeChunk(group, steps) : undefined;
    const tape = new Tape(device, { steps: count, training: true, carry });
    const output = model.forward(tape, tape.input(x));
    return { carry, tape, output, value: output.value };
  });
  for (const { carry, tape, output, value } of made) {
    using seed = device.zeros(value.shape);
    if (!carry || carry.isLast) device.write(seed, new Float32Array(value.size).fill(1e-3));
    tape.backward(output, seed);
    tape.dispose();
    carry?.dispose();
  }
  const pending = model.parameters().map(({ gradient }) => group.allReduce(gradient!));
  for (const each of pending) each.join();
  clearGradients(model.parameters());
  await device.synchronize();
}

for (let i = 0; i < 2; i++) await pass();
const walls: number[] = [];
const cpu = process.cpuUsage();
for (let i = 0; i < passes; i++) {
  const start = performance.now();
  await pass();
  walls.push(performance.now() - start);
}
const { user, system } = process.cpuUsage(cpu);
walls.sort((a, b) => a - b);
console.log(JSON.stringify({ rank: group.rank, size: group.size, least: Math.round(walls[0]), median: Math.round(walls[passes >> 1]), cpu: Math.round((user + system) / 1000 / passes) }));
await group.barrier();
await group.dispose();
await device.dispose();
