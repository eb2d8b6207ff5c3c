#!/usr/bin/env node
import { suggestion } from "../check.ts";
import { SpikefoldError } from "../errors.ts";
import { version } from "../version.ts";
import { UsageError, type Command } from "./command.ts";
import { commands } from "./commands/index.ts";
import { commandLine } from "./invocation.ts";
import { complain, guardStreams, say } from "./output.ts";

const overview = `Spikefold trains spiking neural networks with all time steps in one kernel.

Usage: spikefold COMMAND [OPTIONS]

${commands.map(({ name, summary }) => `  ${name.padEnd(10)}  ${summary}`).join("\n")}

${commandLine("help")} COMMAND explains a command, as COMMAND --help does; --version prints the version.
With --json a command prints one JSON object on standard output and nothing else there.
Exit codes: 0 done, 1 failed, 2 the command line is wrong, 130 stopped by Ctrl-C.
`;

async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined) {
    say(overview);
    return 2;
  }
  if (name === "--version") return print(`${version}\n`);
  const asksForHelp = ["help", "--help", "-h"].includes(name);
  if (asksForHelp && args.length === 0) return print(overview);
  const wanted = asksForHelp ? args[0] : name;
  const command = commands.find((candidate) => candidate.name === wanted);
  if (!command) return fail(unknownCommand(wanted, asksForHelp ? [] : ["help", "--help", "--version"]), 2);
  if (asksForHelp || args.includes("--help") || args.includes("-h")) return print(`${command.usage.trimEnd()}\n`);
  return runCommand(command, args);
}

/** @param others what may stand in the place of a command */
function unknownCommand(given: string, others: readonly string[]): string {
  const names = commands.map(({ name }) => name);
  return `there is no command ${JSON.stringify(given)}${suggestion(given, [...names, ...others]) || ";"} there are ${names.join(", ")}`;
}

async function runCommand(command: Command, args: string[]): Promise<number> {
  try {
    return await command.run(args);
  } catch (error) {
    if (error instanceof UsageError) return fail(`${command.name}: ${error.message} (see ${commandLine(command.name, "--help")})`, 2);
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
  complain(`spikefold: ${message}\n`);
  return code;
}

guardStreams();
process.exitCode = await main(process.argv.slice(2));
