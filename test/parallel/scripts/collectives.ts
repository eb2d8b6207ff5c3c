/** Calls everything that a group offers, and prints what came of it as one JSON object. */
import { CpuDevice } from "../../../src/device/cpu/device.ts";
import type { Tensor } from "../../../src/device/device.ts";
import { joinGroup } from "../../../src/parallel/join.ts";

const device = await CpuDevice.open(1);
const group = await joinGroup({ device });
const { rank, size } = group;
const bits = async (tensor: Tensor): Promise<string> => Buffer.from((await device.read(tensor)).buffer).toString("hex");

/** Values whose sum depends on the order in which they are added. */
const values = (length: number, rank: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(1 + i + 1000 * rank) * 10 ** ((i * 7 + rank * 3) % 9));

const sums: Record<number, string> = {};
for (const length of [0, 1, 2, 3, 7, 1000, 100_003]) {
  const tensor = device.tensor(values(length, rank), [length]);
  group.allReduce(tensor).join();
  sums[length] = await bits(tensor);
}

const buckets = [5, 40_000, 0, 1, 70_001].map((length) => device.tensor(values(length, rank), [length]));
const pending = buckets.map((tensor) => group.allReduce(tensor));
for (const each of pending.reverse()) each.join();
const together = await Promise.all(buckets.map(bits));

const shared = device.tensor(Int32Array.of(rank, 10 + rank, 20 + rank), [3]);
group.broadcast(shared, size - 1);
const broadcast = [...(await device.read(shared))];

// Around the ring, more than a socket buffers, and changed at once after it was sent.
const sent = device.tensor(new Float32Array(1 << 20).fill(rank), [1 << 20]);
const received = device.zeros([1 << 20]);
group.send(sent, (rank + 1) % size);
device.write(sent, new Float32Array(1 << 20).fill(-1));
group.receive(received, (rank + size - 1) % size);
const ring = [...new Set(await device.read(received))];
for (let i = 0; i < 5; i++) group.send(device.tensor(Uint8Array.of(rank, i, 7), [3]), (rank + 1) % size);
const small = device.empty([3], "u8");
const order: number[] = [];
for (let i = 0; i < 5; i++) {
  group.receive(small, (rank + size - 1) % size);
  order.push((await device.read(small))[1]);
}
group.send(device.empty([0]), (rank + 1) % size);
group.receive(device.empty([0]), (rank + size - 1) % size);

const gathers = await Promise.all([group.gather(new TextEncoder().encode(`from ${rank}`)), group.gather(new Uint8Array(0)), group.gather(new Uint8Array(100_000 * rank))]);
const gathered = [gathers[0].map((bytes) => new TextDecoder().decode(bytes)), gathers[1].map(({ length }) => length), gathers[2].map(({ length }) => length)];
await group.barrier();

console.log(JSON.stringify({ rank, size, sums, together, broadcast, ring, order, gathered }));
await group.dispose();
await device.dispose();
