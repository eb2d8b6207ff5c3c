/** Joins with a cuda device, waits for a rank that never comes as the argument says, and prints what came of it: one JSON object. */
import { setTimeout } from "node:timers/promises";
import type { ProcessGroup } from "../../../src/parallel/group.ts";
import { joinGroup } from "../../../src/parallel/join.ts";
import { ranksOf } from "../../../src/parallel/ranks.ts";
import { SocketControl } from "../../../src/parallel/socketControl.ts";
import { cudaOfRank, leaks } from "./device.ts";

const mode = (JSON.parse(process.argv[2]) as string[])[Number(process.env.RANK)];
const device = await cudaOfRank();
const own = device.tensor(Float32Array.of(1, 2, 3), [3]);
const tensor = device.zeros([100_000]);
const say = (): void => console.log("said");

const waits: Record<string, (group: ProcessGroup) => unknown> = {
  /** Of the event loop. */
  read: (group) => {
    group.allReduce(tensor).join();
    say();
    return device.read(own);
  },
  synchronize: (group) => {
    group.receive(tensor, group.size - 1);
    say();
    return device.synchronize();
  },
  /** Of the thread: uploads go through memory that the device has to read first. */
  upload: (group) => {
    group.allReduce(tensor).join();
    say();
    const much = new Uint8Array(16 << 20);
    device.tensor(much, [much.length]);
  },
  graph: (group) => {
    const graph = device.capture(() => {
      group.allReduce(tensor).join();
      group.allReduce(own);
    });
    graph.launch();
    say();
    return device.read(tensor).catch((error: Error) => {
      graph.launch();
      throw error;
    });
  },
  /** Nobody waits while it is lost. */
  later: async (group) => {
    const begun = group.allReduce(tensor);
    say();
    const awake = new AbortController();
    await Promise.race([group.lost, setTimeout(60_000, undefined, awake)]).catch(() => awake.abort());
    begun.join();
  },
  send: async (group) => {
    group.send(tensor, group.size - 1);
    say();
    await group.dispose();
  },
  /** What no other rank does. */
  disagree: (group) => {
    group.broadcast(tensor, 0);
    say();
    return device.synchronize();
  },
  sleep: () => {
    say();
    return setTimeout(60_000);
  },
};

let group: ProcessGroup | undefined;
try {
  if (mode === "stranger") {
    // It says that it has NCCL, and does not go on.
    const { rank, size, address, port } = ranksOf();
    const control = await SocketControl.join({ rank, size, address, port, token: "", joinLimit: 60_000, silenceLimit: 10_000 });
    await control.gather(new TextEncoder().encode('{"version":"2.27.3"}'));
    say();
    await setTimeout(60_000);
  }
  group = await joinGroup({ device });
  await waits[mode](group);
  console.log(JSON.stringify({ done: true }));
} catch (error) {
  const { name, message } = error as Error;
  const again: string[] = [];
  const { rank = 0 } = group ?? {};
  for (const call of group ? [() => group!.allReduce(own), () => group!.send(own, 1 - rank), () => group!.broadcast(own, 0)] : []) {
    try {
      call();
      again.push("");
    } catch (error) {
      again.push((error as Error).message);
    }
  }
  await group?.dispose();
  // The device itself goes on.
  const reading = await device.read(device.tensor(Float32Array.of(4), [1]));
  await device.dispose();
  console.log(JSON.stringify({ name, message, again, reading: [...reading], leaks: leaks() }));
}
