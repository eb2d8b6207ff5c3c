/** Calls everything that a group of cuda devices offers, and prints what came of it as one JSON object. */
import type { Tensor } from "../../../src/device/device.ts";
import { joinGroup } from "../../../src/parallel/join.ts";
import { cudaOfRank, leaks } from "./device.ts";

const device = await cudaOfRank();
const group = await joinGroup({ device });
const { rank, size } = group;
const bits = async (tensor: Tensor): Promise<string> => Buffer.from((await device.read(tensor)).buffer).toString("hex");

/** Values whose sum depends on the order in which they are added. */
const values = (length: number, rank: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(1 + i + 1000 * rank) * 10 ** ((i * 7 + rank * 3) % 9));

const sums: Record<number, string> = {};
for (const length of [0, 1, 2, 3, 7, 1000, 100_003]) {
  using tensor = device.tensor(values(length, rank), [length]);
  group.allReduce(tensor).join();
  sums[length] = await bits(tensor);
}
const million = device.tensor(new Float32Array(1 << 20).fill(rank + 1), [1 << 20]);
group.allReduce(million).join();
const large = [...new Set(await device.read(million))];

// Beside other work, joined in another order, and freed by everybody else before.
const buckets = [5, 40_000, 0, 1, 70_001].map((length) => device.tensor(values(length, rank), [length]));
const views = buckets.map((tensor) => tensor.reshape([tensor.size]));
const aside = device.tensor(Float32Array.of(1, 2, 3), [3]);
const pending = buckets.map((tensor) => {
  const begun = group.allReduce(tensor);
  device.dense.scale(aside, 2);
  tensor.dispose();
  return begun;
});
for (const each of pending.reverse()) each.join();
const together = await Promise.all(views.map(bits));
const beside = [...(await device.read(aside))];

const shared = device.tensor(Int32Array.of(rank, 10 + rank, 20 + rank), [3]);
group.broadcast(shared, size - 1);
const broadcast = [...(await device.read(shared))];

// To both neighbours before anything is received, and changed at once after it was sent.
const neighbours = [rank - 1, rank + 1].filter((other) => other >= 0 && other < size);
const sent = device.tensor(new Float32Array(1 << 18).fill(rank), [1 << 18]);
for (const other of neighbours) group.send(sent, other);
device.write(sent, new Float32Array(1 << 18).fill(-1));
const received: number[][] = [];
for (const other of neighbours) {
  using tensor = device.empty([1 << 18]);
  group.receive(tensor, other);
  received.push([...new Set(await device.read(tensor))]);
}
// A chain: each adds one of its own.
const chain = device.tensor(Float32Array.of(rank === 0 ? 1 : Number.NaN), [1]);
if (rank > 0) {
  group.receive(chain, rank - 1);
  device.dense.addInto(chain, device.tensor(Float32Array.of(10 ** rank), [1]), 1);
}
if (rank < size - 1) group.send(chain, rank + 1);
const [chained] = await device.read(chain);
// Between those that are no neighbours, several at once.
const order: number[] = [];
if (rank === 0) for (let i = 0; i < 5; i++) group.send(device.tensor(Uint8Array.of(i, 7, 9), [3]), size - 1);
if (rank === size - 1) {
  for (let i = 0; i < 5; i++) {
    using small = device.empty([3], "u8");
    group.receive(small, 0);
    order.push((await device.read(small))[0]);
  }
}
group.send(device.empty([0]), (rank + 1) % size);
group.receive(device.empty([0]), (rank + size - 1) % size);

// The same within a graph: a sum beside other work, messages both ways, and a sum that only the end of the graph joins.
const source = device.tensor(values(1001, rank), [1001]);
const gradient = device.empty([1001]);
const total = device.zeros([1001]);
const late = device.empty([3]);
const message = device.tensor(Float32Array.of(rank), [1]);
const heard = neighbours.map(() => device.zeros([1]));
const step = (): void => {
  device.copy(source, gradient);
  const begun = group.allReduce(gradient);
  device.dense.scale(aside, 0.5);
  for (const other of neighbours) group.send(message, other);
  neighbours.forEach((other, i) => group.receive(heard[i], other));
  begun.join();
  device.dense.addInto(total, gradient, 1);
  device.copy(aside, late);
  group.allReduce(late);
  device.dense.scale(message, 3);
};
step();
await device.synchronize();
const graph = device.capture(step);
const outside = group.allReduce(late);
let refused = "";
try {
  device.capture(() => outside.join());
} catch (error) {
  refused = (error as Error).message;
}
outside.join();
const steps: string[] = [];
for (let i = 0; i < 3; i++) {
  device.write(source, values(1001, rank + 10 * i));
  device.write(total, new Float32Array(1001));
  graph.launch();
  steps.push(await bits(total));
}
const replayed = { steps, late: [...(await device.read(late))], heard: await Promise.all(heard.map(async (tensor) => (await device.read(tensor))[0])) };

const gathered = (await group.gather(new TextEncoder().encode(`from ${rank}`))).map((bytes) => new TextDecoder().decode(bytes));
await group.barrier();
await group.dispose();
let ended = "";
try {
  graph.launch();
} catch (error) {
  ended = (error as Error).message;
}
// Everybody else's work goes on.
device.dense.scale(aside, 2);
const after = [...(await device.read(aside))];
await device.dispose();
console.log(JSON.stringify({ rank, size, description: group.description, sums, large, together, beside, broadcast, received, chained, order, refused, replayed, gathered, ended, after, leaks: leaks() }));
