import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

declare module "vitest" {
  interface ProvidedContext { shared: string }
}

/** Vitest's global setup: a directory for what several test files use and one of them makes. */
export default async function setup({ provide }: { provide(name: "shared", directory: string): void }): Promise<() => Promise<void>> {
  const shared = await mkdtemp(join(tmpdir(), "spikefold-shared-"));
  provide("shared", shared);
  return () => rm(shared, { recursive: true, force: true });
}

/** The directory of that name, which `make` filled: in the first test file that asks, while others wait. */
export async function once(shared: string, name: string, make: (directory: string) => Promise<unknown>): Promise<string> {
  const [made, making] = [join(shared, name), join(shared, `${name}.part`)];
  while (!existsSync(made)) {
    const mine = await mkdir(making).then(() => true, () => false);
    if (!mine) await setTimeout(50);
    else if (existsSync(made)) await rm(making, { recursive: true });
    else await make(making).then(() => rename(making, made)).catch(async (error) => { await rm(making, { recursive: true }); throw error; });
  }
  return made;
}
