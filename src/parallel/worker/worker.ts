/** The thread of the sockets: it answers other ranks while the main thread computes or waits. `scripts/build.mjs` makes a text of it, `generated/worker.ts`. */
import { nodeModule } from "../../runtime.ts";
import type { Answer, Command, Start } from "../shared.ts";
import { Collectives } from "./collectives.ts";
import { Mesh } from "./mesh.ts";
import { connect } from "./rendezvous.ts";

const port = nodeModule("node:worker_threads").parentPort!;

port.once("message", async ({ settings, status }: Start) => {
  const post = (answer: Answer): void => port.postMessage(answer);
  let joined = false;
  const mesh = new Mesh(settings, status, (answer) => {
    // The first gather tells that all ranks have all connections.
    if (answer.kind !== "gathered" || joined) return post(answer);
    joined = true;
    post({ kind: "joined" });
  });
  const collectives = new Collectives(mesh);
  mesh.traffic = collectives;
  process.on("uncaughtException", (error) => mesh.fail(`rank ${settings.rank} is lost: its thread of sockets failed: ${error.message}`));
  port.on("message", (command: Command) => {
    switch (command.kind) {
      case "allReduce": return collectives.allReduce(command.job, command.bytes);
      case "send": return collectives.send(command.to, command.job, command.bytes);
      case "receive": return collectives.receive(command.from, command.job, command.bytes);
      case "gather": return collectives.gather(command.bytes);
      case "leave": return void mesh.leave();
    }
  });
  await connect(mesh);
  collectives.gather(new Uint8Array(0));
});
