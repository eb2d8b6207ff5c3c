import { FileFormatError, OptionError } from "../errors.ts";
import { inNode } from "../runtime.ts";
import type { NamedBytes } from "./idx.ts";

/** The URL of a directory that is not on a disk: what is given as one and, in browsers, everything, relative to the page; else undefined. */
export function directoryUrl(directory: string | { readonly href: string }): URL | undefined {
  if (typeof directory === "string" && inNode && !/^https?:\/\//.test(directory)) return undefined;
  try {
    const url = new URL(typeof directory === "string" ? directory : directory.href, inNode ? undefined : (globalThis.document?.baseURI ?? globalThis.location.href));
    if (!url.pathname.endsWith("/")) url.pathname += "/";
    return url;
  } catch (cause) {
    throw new OptionError(`directory is ${JSON.stringify(directory)}: expected the URL of a directory`, { cause });
  }
}

/** Fetches the first of `names` that is in the directory. */
export async function fetchDataFile(directory: URL, names: readonly string[]): Promise<NamedBytes> {
  for (const name of names) {
    const file = new URL(name, directory).href;
    const response = await fetch(file).catch((cause: Error) => {
      throw new FileFormatError(`${file} cannot be fetched: ${cause.message}; is the server there, and does it allow this page to read from it?`, { cause });
    });
    // Some servers answer with a page where there is no file.
    if (response.status === 404 || response.headers.get("Content-Type")?.startsWith("text/html")) continue;
    if (!response.ok) throw new FileFormatError(`${file} cannot be fetched: HTTP status ${response.status}`);
    return { file, bytes: new Uint8Array(await response.arrayBuffer()) };
  }
  throw new FileFormatError(`${directory.href} has none of the files ${names.join(", ")} (HTTP status 404): expected the directory that holds the data set`);
}
