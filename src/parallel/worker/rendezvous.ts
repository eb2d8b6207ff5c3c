import type { Server, Socket } from "node:net";
import { nodeModule } from "../../runtime.ts";
import { Connection, FRAME, type FrameHandler } from "./connection.ts";
import type { Mesh } from "./mesh.ts";

const net = nodeModule("node:net");
const host = nodeModule("node:os").hostname();

/** What a rank says of itself. */
interface Hello {
  rank: number;
  size: number;
  token: string;
  host: string;
  /** Where it listens. */
  port: number;
}

interface Place {
  address: string;
  port: number;
}

const MAX_HELLO = 4096;
/** Milliseconds that somebody who connects has to say who it is. */
const HELLO_LIMIT = 5000;
const RETRY = 100;

const isLoopback = (address: string): boolean => /^(localhost|127\.|::1$|::ffff:127\.)/.test(address);
const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/**
 * Connects all ranks with each other. All listen, rank 0 at the master's address; they say hello to rank 0, which tells all where the others are, and each connects to those of lower rank.
 * Resolves once this rank has all connections; on failure the mesh fails.
 */
export function connect(mesh: Mesh): Promise<void> {
  const { rank, size, address, port, joinLimit } = mesh.settings;
  return new Promise((resolve) => {
    const places = new Map<number, Place>();
    const refusals: string[] = [];
    let unanswered = "";
    const server = net.createServer((socket) => answer(mesh, socket, { places, refusals }));
    const end = (): void => {
      clearTimeout(limit);
      server.close();
    };
    const fail = (text: string): void => {
      end();
      mesh.fail(text);
    };
    const missing = (): number[] => mesh.others.filter((other) => !mesh.has(other));
    const limit = setTimeout(() => {
      const seen = [unanswered, ...refusals].filter((each) => each !== "").map((each) => ` (${each})`).join("");
      fail(`rank ${rank} waited ${joinLimit / 1000} s for ${missing().map((each) => `rank ${each}`).join(", ")} at ${address}:${port}${seen}: are all ${size} ranks started, with the same address and port?`);
    }, joinLimit);
    mesh.connected = () => {
      if (rank === 0 && missing().length === 0) for (const other of mesh.others) mesh.send(other, FRAME.roster, 0, encode(Array.from({ length: size }, (_, r) => places.get(r) ?? { address, port })));
      if (missing().length > 0) return;
      end();
      resolve();
    };
    const knockAt = (other: number, place: Place): void => knock(mesh, other, place, { port: listening(server), fail, unanswered: (reason) => (unanswered = reason) });
    mesh.roster = (text) => {
      const roster = JSON.parse(text) as Place[];
      for (let other = 1; other < rank; other++) knockAt(other, roster[other]);
    };
    server.on("error", (error: NodeJS.ErrnoException) => fail(listenError(error, mesh)));
    server.listen({ port: rank === 0 ? port : 0, host: isLoopback(address) ? address : undefined }, () => {
      if (rank !== 0) knockAt(0, { address, port });
    });
  });
}

const listening = (server: Server): number => (server.address() as { port: number }).port;

function listenError({ code, message }: NodeJS.ErrnoException, { settings: { rank, address, port } }: Mesh): string {
  if (code === "EADDRINUSE") return `rank ${rank} cannot listen at ${address}:${port}: the port is taken. Give all ranks another by SPIKEFOLD_PORT`;
  return `rank ${rank} cannot listen at ${address}:${port}: ${message}`;
}

/** Lets a rank in that says who it is; all others are sent away, or cut off. */
function answer(mesh: Mesh, socket: Socket, { places, refusals }: { places: Map<number, Place>; refusals: string[] }): void {
  const stranger = setTimeout(() => connection.destroy(), HELLO_LIMIT);
  socket.on("close", () => clearTimeout(stranger));
  const connection = new Connection(socket, {
    ...waitingFor(FRAME.hello),
    received: (_, __, payload) => {
      clearTimeout(stranger);
      const hello = parseHello(payload);
      const problem = problemOf(mesh, hello);
      if (problem !== undefined) {
        refusals.push(problem);
        connection.send(FRAME.refused, 0, encode(problem));
        connection.close();
        return;
      }
      const seen = socket.remoteAddress ?? mesh.settings.address;
      places.set(hello.rank, { address: isLoopback(seen) ? mesh.settings.address : seen, port: hello.port });
      connection.send(FRAME.welcome, 0, encode(host));
      mesh.add(hello.rank, hello.host, connection);
    },
    ended: () => undefined,
    malformed: () => undefined,
  });
}

function problemOf(mesh: Mesh, hello: Hello): string | undefined {
  const { rank, size, token } = mesh.settings;
  if (hello.token !== token) return "a process of another group came (SPIKEFOLD_TOKEN differs)";
  if (hello.size !== size) return `rank ${hello.rank} (${hello.host}) belongs to a group of ${hello.size}, rank ${rank} to one of ${size}`;
  if (hello.rank >= size || hello.rank === rank || mesh.has(hello.rank)) return `a second process calls itself rank ${hello.rank} (${hello.host}) of ${size}`;
  if (mesh.over) return "the group is over";
  return undefined;
}

/** @throws Error if it is none */
function parseHello(payload: Uint8Array): Hello {
  const hello = JSON.parse(new TextDecoder().decode(payload)) as Hello;
  const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
  const { rank, size, port, token, host } = hello;
  if (![rank, size, port].every(isCount) || typeof token !== "string" || typeof host !== "string") throw new Error("what came is no hello");
  return { rank, size, port, token, host };
}

interface Attempt {
  /** Where this rank listens. */
  port: number;
  fail: (text: string) => void;
  unanswered: (reason: string) => void;
}

/** Says hello to a rank, again and again until it is there. */
function knock(mesh: Mesh, other: number, place: Place, attempt: Attempt): void {
  if (mesh.over) return;
  const { rank, size, token, address } = mesh.settings;
  const { port, fail } = attempt;
  const socket = net.connect({ host: place.address, port: place.port });
  const where = `${place.address}:${place.port}`;
  let refused: string | undefined;
  const connection = new Connection(socket, {
    place: (kind, id, bytes) => waitingFor(kind === FRAME.refused ? FRAME.refused : FRAME.welcome).place(kind, id, bytes),
    received: (kind, _, payload) => {
      const text = String(JSON.parse(new TextDecoder().decode(payload)));
      if (kind === FRAME.welcome) mesh.add(other, text, connection);
      else refused = text;
      if (refused !== undefined) fail(`rank ${rank} was refused by rank ${other} at ${where}: ${refused}`);
    },
    // Nobody listens yet, or somebody who ended before us.
    ended: (reason) => {
      if (refused !== undefined) return;
      attempt.unanswered(reason);
      setTimeout(() => knock(mesh, other, place, attempt), RETRY);
    },
    malformed: (reason) => fail(`rank ${rank} found no rank ${other} at ${where}, but something else (${reason}): is the port ${place.port} of ${address} another program's? SPIKEFOLD_PORT sets another`),
  });
  const hello: Hello = { rank, size, token, host, port };
  socket.once("connect", () => connection.send(FRAME.hello, 0, encode(hello)));
}

/** Lets one short frame of that kind through. */
function waitingFor(expected: number): Pick<FrameHandler, "place"> {
  return {
    place: (kind, _, bytes) => {
      if (kind !== expected || bytes > MAX_HELLO) throw new Error(`a frame of kind ${kind} and ${bytes} bytes came`);
      return new Uint8Array(bytes);
    },
  };
}
