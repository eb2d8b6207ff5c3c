import { say } from "./output.ts";

/**
 * Calls `stop`, which says what happens now, at the first Ctrl-C (or SIGTERM) and leaves at once at the second. Returns what takes the handler away again.
 */
export function onInterrupt(stop: () => string): () => void {
  let asked = false;
  const handler = (): void => {
    if (asked) process.exit(130);
    asked = true;
    say(`\n${stop()}; once more to quit at once\n`);
  };
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, handler);
  return () => {
    for (const signal of ["SIGINT", "SIGTERM"]) process.off(signal, handler);
  };
}
