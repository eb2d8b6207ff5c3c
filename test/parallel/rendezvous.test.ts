import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { bundled, freePort, start, startRanks } from "./processes.ts";

const script = bundled("deeds");

const begin = (rank: number, size: number, port: number, { joinTimeout = 60, token = "", deeds = "barrier,dispose" } = {}) => start(script, [JSON.stringify({ joinTimeout, deeds: { [rank]: deeds } })], {
  RANK: String(rank), WORLD_SIZE: String(size), LOCAL_RANK: String(rank), MASTER_ADDR: "127.0.0.1", MASTER_PORT: String(port), SPIKEFOLD_TOKEN: token,
});
const refusal = { name: "ParallelError" };
const resultOf = async ({ ended }: ReturnType<typeof begin>): Promise<unknown> => {
  const { stdout, stderr } = await ended;
  return stdout.includes("{") ? JSON.parse(stdout.trim().split("\n").at(-1)!) : stderr;
};

/** Connects, again and again until somebody listens, sends what is given, and resolves with what came back when the other side closes. */
function intrude(port: number, bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve) => {
    const attempt = (): void => {
      const chunks: Buffer[] = [];
      const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
      let connected = false;
      socket.on("connect", () => (connected = true));
      socket.on("data", (chunk) => chunks.push(chunk));
      socket.on("error", () => undefined);
      socket.on("close", () => (connected ? resolve(Buffer.concat(chunks)) : void setTimeout(attempt, 20)));
    };
    attempt();
  });
}

/** A frame as the ranks send them. */
function frame(kind: number, payload: string, bytes = payload.length): Buffer {
  const header = Buffer.alloc(16);
  [0x53504b01, kind, 0, bytes].forEach((word, i) => header.writeUInt32LE(word, 4 * i));
  return Buffer.concat([header, Buffer.from(payload)]);
}

describe("ranks that come together", () => {
  it("refuse whoever is none of them, and are not harmed", async () => {
    const port = await freePort();
    const zero = begin(0, 2, port);
    const hello = { rank: 1, size: 2, token: "", host: "elsewhere", port: 1 };
    const answers = await Promise.all([
      randomBytes(100_000), Buffer.from("GET / HTTP/1.1\r\n\r\n"), frame(1, "", 2 ** 32 - 1), frame(1, "no JSON"), frame(1, "null"), frame(6, "x"), frame(1, JSON.stringify({ ...hello, rank: -1 })),
      frame(1, JSON.stringify({ ...hello, rank: 0 })), frame(1, JSON.stringify({ ...hello, rank: 2 })), frame(1, JSON.stringify({ ...hello, size: 3 })), frame(1, JSON.stringify({ ...hello, token: "guess" })),
    ].map((bytes) => intrude(port, bytes)));
    expect(answers.map((answer) => answer.subarray(16).toString())).toEqual([
      "", "", "", "", "", "", "", expect.stringContaining("a second process calls itself rank 0 (elsewhere) of 2"), expect.stringContaining("a second process calls itself rank 2"),
      expect.stringContaining("rank 1 (elsewhere) belongs to a group of 3, rank 0 to one of 2"), expect.stringContaining("SPIKEFOLD_TOKEN differs"),
    ]);
    expect(await Promise.all([zero, begin(1, 2, port)].map(resultOf))).toEqual([{ done: true }, { done: true }]);
  });

  it("wait for one that comes late", async () => {
    const port = await freePort();
    const [one, two] = [begin(1, 3, port), begin(2, 3, port)];
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await Promise.all([begin(0, 3, port), one, two].map(resultOf))).toEqual([{ done: true }, { done: true }, { done: true }]);
  });

  it("say who did not come, and whom they refused", async () => {
    const port = await freePort();
    const zero = begin(0, 3, port, { joinTimeout: 4 });
    const other = begin(1, 2, port);
    expect(await resultOf(other)).toMatchObject({ ...refusal, message: expect.stringMatching(/^rank 1 was refused by rank 0 at 127\.0\.0\.1:\d+: rank 1 \(.*\) belongs to a group of 2, rank 0 to one of 3$/) });
    expect(await resultOf(zero)).toMatchObject({ ...refusal, message: expect.stringMatching(/^rank 0 waited 4 s for rank 1, rank 2 at 127\.0\.0\.1:\d+ \(rank 1 .* belongs to a group of 2, .*\): are all 3 ranks started/) });
    expect(await resultOf(begin(1, 2, port, { joinTimeout: 1 }))).toMatchObject({ ...refusal, message: expect.stringMatching(/^rank 1 waited 1 s for rank 0 at .* \(connect ECONNREFUSED .*\)/) });
  });

  it("tell everybody when one of them fails to come", async () => {
    const port = await freePort();
    const present = [begin(0, 3, port, { joinTimeout: 4 }), begin(1, 3, port)];
    for (const result of await Promise.all(present.map(resultOf))) expect(result).toMatchObject({ ...refusal, message: expect.stringMatching(/^rank 0 waited 4 s for rank 2/) });
  });

  it("name a port that is another program's", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    const [zero, one] = await Promise.all([begin(0, 2, port), begin(1, 2, port)].map(resultOf));
    expect(zero).toMatchObject({ ...refusal, message: `rank 0 cannot listen at 127.0.0.1:${port}: the port is taken. Give all ranks another by SPIKEFOLD_PORT` });
    expect(one).toMatchObject({ ...refusal, message: expect.stringContaining(`rank 1 found no rank 0 at 127.0.0.1:${port}, but something else`) });
    server.close();
  });

  it("take SPIKEFOLD_PORT before MASTER_PORT", async () => {
    const processes = await startRanks(script, 2, [JSON.stringify({ deeds: { 0: "barrier,dispose", 1: "barrier,dispose" } })], { MASTER_PORT: "1", SPIKEFOLD_PORT: String(await freePort()) });
    expect(await Promise.all(processes.map(resultOf))).toEqual([{ done: true }, { done: true }]);
  });
});
