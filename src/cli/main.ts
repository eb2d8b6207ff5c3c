#!/usr/bin/env node
import { SpikefoldError } from "../errors.ts";
import { version } from "../version.ts";
import { UsageError, type Command } from "./command.ts";
import { commands } from "./commands/index.ts";
import { guardStreams, say } from "./output.ts";

const overview = `Spikefold trains spiking neural networks with all time steps in one kernel.

Usage: spikefold COMMAND [OPTIONS]

${commands.map(({ name, summary }) => `  ${name.padEnd(10)}  ${summary}`).join("\n")}

spikefold COMMAND --help explains a command; spikefold --version prints the version.
`;

async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined) {
    say(overview);
    return 2;
  }
  if (name === "--help" || name === "-h" || name === "help") return print(overview);
  if (name === "--version") return print(`${version}\n`);
  const command = commands.find((candidate) => candidate.name === name);
  if (!command) return fail(`there is no command ${JSON.stringify(name)}; there are ${commands.map((each) => each.name).join(", ")}`, 2);
  if (args.includes("--help") || args.includes("-h")) return print(`${command.usage.trimEnd()}\n`);
  return runCommand(command, args);
}

async function runCommand(command: Command, args: string[]): Promise<number> {
  try {
    return await command.run(args);
  } catch (error) {
    if (error instanceof UsageError) return fail(`${command.name}: ${error.message}; see spikefold ${command.name} --help`, 2);
    if (error instanceof RangeError && /length|allocation/.test(error.message)) return fail(`${command.name}: more memory is asked for than there can be (${error.message}): fewer neurons, steps or images`, 1);
    if (error instanceof SpikefoldError || isSystemError(error)) return fail(`${command.name}: ${error.message}`, 1);
    throw error;
  }
}

/** What the system refuses (a full disk, a directory that is not there) is no fault of the program's either. */
const isSystemError = (error: unknown): error is NodeJS.ErrnoException => error instanceof Error && "syscall" in error && "code" in error;

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function fail(message: string, code: number): number {
  say(`spikefold: ${message}\n`);
  return code;
}

guardStreams();
process.exitCode = await main(process.argv.slice(2));
