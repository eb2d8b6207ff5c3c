// Files on disk: this module needs Node and is loaded on first use.
import { FileFormatError } from "../errors.ts";
import { nodeModule } from "../runtime.ts";
import type { NamedBytes } from "./idx.ts";

const { readFile } = nodeModule("node:fs/promises");
const { createRequire } = nodeModule("node:module");
const { dirname, join } = nodeModule("node:path");
const { fileURLToPath } = nodeModule("node:url");

/** The path of `folder` in an installed npm package, looked for from this module, the program's script and the working directory. */
export function findPackage(name: string, folder: string): string | undefined {
  // A bundle of CommonJS has no `import.meta.url`.
  const here = import.meta.url?.startsWith("file:") ? [dirname(fileURLToPath(import.meta.url))] : [];
  const paths = [...here, ...(process.argv[1] ? [dirname(process.argv[1])] : []), process.cwd()];
  try {
    return join(dirname(createRequire(join(process.cwd(), "index.js")).resolve(`${name}/package.json`, { paths })), folder);
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
