/** Calls `stop` at the first Ctrl-C (or SIGTERM) and leaves at once at the second. Returns what takes the handler away again. */
export function onInterrupt(stop: () => void): () => void {
  let asked = false;
  const handler = (): void => {
    if (asked) process.exit(130);
    asked = true;
    process.stderr.write("\nstopping after this step; once more to quit at once\n");
    stop();
  };
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, handler);
  return () => {
    for (const signal of ["SIGINT", "SIGTERM"]) process.off(signal, handler);
  };
}
