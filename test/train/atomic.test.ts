import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import ts from "typescript";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { removeStaleTemporaries, writeFileAtomic } from "../../src/train/atomic.ts";
import { decodeSafetensors } from "../../src/train/safetensors.ts";
import { thorough } from "../sample.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "spikefold-atomic-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("writeFileAtomic", () => {
  it("creates and replaces, and leaves nothing else behind", async () => {
    const path = join(directory, "checkpoint");
    await writeFileAtomic(path, Uint8Array.of(1, 2, 3));
    await writeFileAtomic(path, "shorter");
    expect(readFileSync(path, "utf8")).toBe("shorter");
    expect(readdirSync(directory)).toEqual(["checkpoint"]);
  });

  it("leaves no temporary when the write fails", async () => {
    const path = join(directory, "taken");
    mkdirSync(join(path, "by a directory"), { recursive: true });
    await expect(writeFileAtomic(path, "x")).rejects.toThrow();
    expect(readdirSync(directory)).toEqual(["taken"]);
    await expect(writeFileAtomic(join(directory, "missing", "file"), "x")).rejects.toThrow(/ENOENT/);
  });

  it("lets concurrent writers each put a whole file", async () => {
    const path = join(directory, "contended");
    const contents = Array.from({ length: 8 }, (_, i) => Buffer.alloc(100_000, i));
    await Promise.all(contents.map((bytes) => writeFileAtomic(path, bytes)));
    const read = readFileSync(path);
    expect(contents.some((bytes) => bytes.equals(read))).toBe(true);
    expect(readdirSync(directory)).toEqual(["contended"]);
  });
});

describe("removeStaleTemporaries", () => {
  it("removes those of dead processes, and keeps those of live ones and foreign files", async () => {
    const dead = spawnSync(process.execPath, ["-e", ""]).pid;
    const names = [`.a.${dead}-0123abcd.tmp`, `.a.${process.ppid}-0123abcd.tmp`, "a", ".a.tmp", `a.${dead}-0123abcd.tmp`];
    for (const name of names) writeFileSync(join(directory, name), "");
    expect(await removeStaleTemporaries(directory)).toEqual([names[0]]);
    expect(readdirSync(directory).sort()).toEqual(names.slice(1).sort());
  });

  it("does not disturb a write that is going on", async () => {
    const path = join(directory, "a");
    const write = writeFileAtomic(path, Buffer.alloc(4_000_000, 7));
    let writing = true;
    void write.finally(() => (writing = false));
    while (writing) expect(await removeStaleTemporaries(directory)).toEqual([]);
    await write;
    expect(readFileSync(path).length).toBe(4_000_000);
  });
});

/** The sources under test as JavaScript, for a child process that has no transpiler. */
function compileInto(target: string, sources: string[]): void {
  writeFileSync(join(target, "package.json"), '{"type":"module"}');
  for (const source of sources) {
    const { outputText } = ts.transpileModule(readFileSync(source, "utf8"), {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, rewriteRelativeImportExtensions: true },
    });
    const output = join(target, source.replace(/\.ts$/, ".js"));
    mkdirSync(dirname(output), { recursive: true });
    writeFileSync(output, outputText);
  }
}

const rewriteForever = `
  import { createHash } from "node:crypto";
  import { writeFileAtomic } from "./src/train/atomic.js";
  import { encodeSafetensors } from "./src/train/safetensors.js";
  for (let round = 0; ; round++) {
    const data = new Float32Array(1000 + ((round * 77_777) % 400_000)).fill(Math.random());
    const sha256 = createHash("sha256").update(data).digest("hex");
    await writeFileAtomic(process.argv[2], encodeSafetensors({ w: { shape: [data.length], data } }, { sha256, round: String(round) }));
    if (round === 0) process.stdout.write("ready");
  }`;

const KILLS = thorough ? 20 : 6;

describe("kill -9 of a process that rewrites a file in a loop", () => {
  it(`leaves a whole file, ${KILLS} times out of ${KILLS}`, async () => {
    compileInto(directory, ["src/errors.ts", "src/runtime.ts", "src/data/float16.ts", "src/train/safetensors.ts", "src/train/processes.ts", "src/train/atomic.ts"]);
    const script = join(directory, "rewrite.js");
    writeFileSync(script, rewriteForever);
    const runs = join(directory, "run");
    mkdirSync(runs);
    const path = join(runs, "checkpoint.safetensors");
    let rounds = 0;
    let leftovers = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const child = spawn(process.execPath, [script, path], { stdio: ["ignore", "pipe", "inherit"] });
      await once(child.stdout, "data");
      await sleep(Math.random() * 60);
      child.kill("SIGKILL");
      await once(child, "close");

      const { tensors, metadata } = decodeSafetensors(readFileSync(path), path);
      expect(createHash("sha256").update(tensors.w.data).digest("hex")).toBe(metadata.sha256);
      rounds += Number(metadata.round);
      leftovers += (await removeStaleTemporaries(runs)).length;
      expect(readdirSync(runs)).toEqual(["checkpoint.safetensors"]);
    }
    expect(rounds, "files were replaced between the kills").toBeGreaterThan(0);
    expect(leftovers, "some kills struck in the middle of a write").toBeGreaterThan(0);
  });
});
