// Files on disk: this module needs Node and is loaded on first use.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { FileFormatError } from "../errors.ts";
import type { NamedBytes } from "./idx.ts";

/** The path of `folder` in an installed npm package, looked for from this module and from the working directory. */
export function findPackage(name: string, folder: string): string | undefined {
  const require = createRequire(import.meta.url);
  try {
    return join(dirname(require.resolve(`${name}/package.json`, { paths: [dirname(fileURLToPath(import.meta.url)), process.cwd()] })), folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}

/** Reads the first of `names` that is in `directory`. */
export async function readDataFile(directory: string | URL, names: readonly string[]): Promise<NamedBytes> {
  const path = typeof directory === "string" ? directory : fileURLToPath(directory);
  for (const name of names) {
    const file = join(path, name);
    try {
      return { file, bytes: await readFile(file) };
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT") throw new FileFormatError(`${file} cannot be read: ${message}`, { cause: error });
    }
  }
  throw new FileFormatError(`${path} has none of the files ${names.join(", ")}: expected the directory that holds the data set`);
}
