import { existsSync } from "node:fs";
import { suggestion } from "../../check.ts";
import { type Command, UsageError } from "../command.ts";
import { describeOptions, type OptionTable, parseArguments } from "../options.ts";
import { runProcesses } from "../processes.ts";

const options = {
  gpus: { type: "integer", value: "N", minimum: 1, help: "one process for each of the first N GPUs" },
  processes: { type: "integer", value: "N", minimum: 1, help: "N processes of the cpu device" },
} satisfies OptionTable;

/** The commands that take part in a group of processes. */
const COMMANDS = ["train", "plan-parallel"];

export const launchCommand: Command = {
  name: "launch",
  summary: "Run a command as several processes of this machine, one a GPU",
  usage: `Usage: spikefold launch --gpus N | --processes N [--] COMMAND [ARGUMENTS]

COMMAND: ${COMMANDS.join(", ")}, or a script of JavaScript that calls joinGroup. Each process gets the variables that torchrun would set: RANK, WORLD_SIZE,
LOCAL_RANK, MASTER_ADDR, MASTER_PORT. The output of rank 0 passes through; the lines of the others go to standard error.
When one of them fails or is killed, all end, with its exit code (128 and more for a signal). Ctrl-C goes to all.

${describeOptions(options)}
`,
  async run(args) {
    const start = startOfCommand(args);
    const { values: { gpus, processes } } = parseArguments(options, args.slice(0, start));
    const [name, ...rest] = args.slice(args[start] === "--" ? start + 1 : start);
    if ((gpus === undefined) === (processes === undefined)) throw new UsageError("--gpus N or --processes N is needed, one of them");
    if (name === undefined) throw new UsageError(`a command is missing: ${COMMANDS.join(", ")}, or a script`);
    return runProcesses(gpus ?? processes!, commandFor(name, rest, gpus !== undefined));
  },
};

/** Where the command that is to be run begins: after our own options and their values. */
function startOfCommand(args: readonly string[]): number {
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--" || !args[i].startsWith("--")) return i;
    if (!args[i].includes("=")) i++;
  }
  return args.length;
}

function commandFor(name: string, args: readonly string[], onGpus: boolean): string[] {
  if (/\.[cm]?[jt]s$/.test(name)) {
    if (!existsSync(name)) throw new UsageError(`there is no script ${name}`);
    return [name, ...args];
  }
  if (!COMMANDS.includes(name)) throw new UsageError(`${JSON.stringify(name)} is no command for several processes${suggestion(name, COMMANDS) || ":"} expected ${COMMANDS.join(", ")}, or a script that ends in .js or .mjs`);
  const given = deviceIn(args);
  if (onGpus && given !== undefined && given !== "cuda") throw new UsageError(`--gpus was given, and --device ${given}: leave --device out, or take --processes`);
  return [process.argv[1], name, ...args, ...(onGpus && given === undefined ? ["--device", "cuda"] : [])];
}

function deviceIn(args: readonly string[]): string | undefined {
  const at = args.findIndex((arg) => arg === "--device" || arg.startsWith("--device="));
  return at < 0 ? undefined : (args[at].split("=")[1] ?? args[at + 1]);
}
