import { Worker } from "node:worker_threads";
import { afterEach, expect, it } from "vitest";
import { DONE, FAILED } from "../../src/parallel/shared.ts";
import { SocketControl } from "../../src/parallel/socketControl.ts";
import { freePort } from "./processes.ts";

let controls: SocketControl[] = [];
afterEach(async () => {
  await Promise.all(controls.map((control) => control.dispose()));
});

/** Wakes who sleeps on a job's state ten times without a reason, and ends the job after that. */
const waker = `
  const { parentPort } = require("node:worker_threads");
  parentPort.once("message", ({ memory, state }) => {
    const words = new Int32Array(memory);
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let i = 0; i < 10; i++) {
      Atomics.wait(pause, 0, 0, 20);
      Atomics.notify(words, 0);
    }
    words[16] = 7;
    Atomics.store(words, 0, state);
    Atomics.notify(words, 0);
  });
  parentPort.postMessage("ready");
`;

it.each([["done", DONE], ["failed", FAILED]] as const)("who waits for a job sleeps on until it is %s, whoever wakes it: the last job in the same memory may", async (_, state) => {
  const port = await freePort();
  controls = await Promise.all([0, 1].map((rank) => SocketControl.join({ rank, size: 2, address: "127.0.0.1", port, token: "", joinLimit: 10_000, silenceLimit: 10_000 })));
  const [control] = controls;
  const thread = new Worker(waker, { eval: true });
  await new Promise((resolve) => thread.once("message", resolve));
  const { memory, data } = control.take(4);
  thread.postMessage({ memory, state });
  if (state === DONE) control.wait(memory);
  else expect(() => control.wait(memory)).toThrow("left");
  expect(data[0]).toBe(7);
  await thread.terminate();
});
