/** Standard error, for those who look on: a disk that is full or a reader that went away loses the text, not the work. */
export function say(text: string): void {
  if (!muted) complain(text);
}

let muted = false;

/** From here on nothing is said, but what went wrong: another process speaks for all. */
export function mute(): void {
  muted = true;
}

/** As `say`, of what went wrong. */
export function complain(text: string): void {
  try {
    process.stderr.write(text);
  } catch {
    // Nobody is left to tell.
  }
}

/** Prints the one object of --json, or the text for people. */
export const print = (asJson: boolean, object: unknown, text: () => string): void => void process.stdout.write(asJson ? `${JSON.stringify(object)}\n` : text());

let awaited = false;

/**
 * Writes the result of long work to standard output.
 * @returns the exit code: 1, with a message, if it cannot be written.
 */
export async function printResult(text: string): Promise<number> {
  awaited = true;
  const error = await new Promise<Error | null | undefined>((resolve) => {
    try {
      process.stdout.write(text, resolve);
    } catch (failure) {
      resolve(failure as Error);
    }
  });
  if (!error) return 0;
  say(`spikefold: the result cannot be written to standard output: ${error.message}\n`);
  return 1;
}

/** Decides what becomes of the process when a standard stream fails. */
export function guardStreams(): void {
  process.stderr.on("error", () => {});
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (awaited) return;
    // A reader that has seen enough, `spikefold … | head`, is no error.
    if (error.code === "EPIPE") process.exit(0);
    say(`spikefold: standard output cannot be written: ${error.message}\n`);
    process.exit(1);
  });
}
