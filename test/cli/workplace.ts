import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Random } from "../../src/data/random.ts";
import { type Ended, spikefold } from "./spikefold.ts";

export { main } from "./spikefold.ts";

export interface Workplace {
  directory: string;
  /** Options of a training of three updates an epoch. */
  small: readonly string[];
  /** Runs the command there. */
  spikefold(args: readonly string[], onStderr?: (text: string, kill: (signal: NodeJS.Signals) => void) => void): Promise<Ended>;
  remove(): Promise<void>;
}

/** A directory of its own for a test file, with a data set of noise with a bright stripe for each class. */
export async function workplace(): Promise<Workplace> {
  const directory = await mkdtemp(join(tmpdir(), "spikefold-cli-"));
  const data = join(directory, "data");
  await mkdir(data);
  const random = new Random(1);
  for (const [prefix, count] of [["train", 96], ["t10k", 40]] as const) {
    const labels = Uint8Array.from({ length: count }, () => random.integer(10));
    const images = Uint8Array.from({ length: count * 784 }, (_, i) => (Math.floor((i % 784) / 79) === labels[Math.floor(i / 784)] ? 255 : random.integer(120)));
    await writeFile(join(data, `${prefix}-images-idx3-ubyte`), idx("images", images));
    await writeFile(join(data, `${prefix}-labels-idx1-ubyte`), idx("labels", labels));
  }
  return {
    directory,
    small: ["--data", data, "--batch", "32", "--epochs", "1"],
    spikefold: (args, onStderr) => spikefold(args, { cwd: directory, onStderr }),
    remove: () => rm(directory, { recursive: true }),
  };
}

function idx(type: "images" | "labels", values: Uint8Array): Buffer {
  const sizes = type === "images" ? [values.length / 784, 28, 28] : [values.length];
  const header = Buffer.alloc(4 + 4 * sizes.length);
  header.set([0, 0, 8, sizes.length]);
  sizes.forEach((size, i) => header.writeUInt32BE(size, 4 + 4 * i));
  return Buffer.concat([header, values]);
}
