/** Joins, does what the arguments say for its rank, "allReduce,receive:0,dispose", and prints what came of it: one JSON object. */
import { setTimeout } from "node:timers/promises";
import { CpuDevice } from "../../../src/device/cpu/device.ts";
import type { ProcessGroup } from "../../../src/parallel/group.ts";
import { joinGroup } from "../../../src/parallel/join.ts";

const { joinTimeout, silenceTimeout, deeds } = JSON.parse(process.argv[2]) as { joinTimeout?: number; silenceTimeout?: number; deeds: Record<number, string> };
const device = await CpuDevice.open(1);
let group: ProcessGroup | undefined;
let began = performance.now();

const does: Record<string, (group: ProcessGroup, value: number) => unknown> = {
  allReduce: (group, length) => group.allReduce(device.zeros([length || 1000])).join(),
  receive: (group, from) => group.receive(device.zeros([1000]), from),
  send: (group, to) => group.send(device.zeros([1000]), to),
  sendFew: (group, to) => group.send(device.zeros([10]), to),
  /** More than sockets and the system keep. */
  sendMuch: (group, to) => group.send(device.zeros([1 << 24]), to),
  broadcast: (group, from) => group.broadcast(device.zeros([1000]), from),
  barrier: (group) => group.barrier(),
  /** A promise alone keeps no process alive. */
  lost: async (group) => {
    const stop = new AbortController();
    await Promise.race([group.lost, setTimeout(60_000, undefined, stop)]).finally(() => stop.abort());
  },
  /** Without a turn of the event loop. */
  compute: (_, milliseconds) => {
    for (const end = performance.now() + milliseconds; performance.now() < end; ) Math.random();
  },
  sleep: (_, milliseconds) => setTimeout(milliseconds),
  say: (_, number) => console.log(`said ${number}`),
  throw: () => {
    throw new Error("a fault of the program");
  },
  exit: () => process.exit(0),
  dispose: (group) => group.dispose(),
};

try {
  group = await joinGroup({ device, joinTimeout, silenceTimeout });
  console.log("joined");
  for (const deed of deeds[group.rank].split(",").filter((each) => each !== "")) {
    const [name, value] = deed.split(":");
    began = performance.now();
    await does[name](group, Number(value ?? 0));
  }
  console.log(JSON.stringify({ done: true }));
} catch (error) {
  const { name, message } = error as Error;
  console.log(JSON.stringify({ name, message, waited: performance.now() - began }));
  if (name === "Error") throw error;
  await group?.dispose();
}
await device.dispose();
