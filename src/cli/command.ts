import { suggestion } from "../check.ts";
import { SpikefoldError } from "../errors.ts";

/** One subcommand of `spikefold`. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What `spikefold NAME --help` prints. */
  readonly usage: string;
  /** Runs with the arguments after its name; resolves to the exit code. SpikefoldErrors are reported by the caller. */
  run(args: string[]): Promise<number>;
}

/** The command line itself is wrong: exit code 2. */
export class UsageError extends SpikefoldError {
  override name = "UsageError";
}

/** The name among `allowed` that was given. Throws UsageError with the nearest for any other: "--model is "convv": did you mean conv? expected mlp or conv". */
export function chosen<Name extends string>(what: string, given: string, allowed: readonly Name[]): Name {
  if (allowed.includes(given as Name)) return given as Name;
  throw new UsageError(`${what} is ${JSON.stringify(given)}${suggestion(given, allowed) || ":"} expected ${allowed.join(" or ")}`);
}
