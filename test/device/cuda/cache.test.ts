import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { KernelCache } from "../../../src/device/cuda/cache.ts";

describe("the cache of compiled kernels", () => {
  let home: string;
  beforeEach(() => { home = mkdtempSync(join(tmpdir(), "spikefold-")); });
  afterEach(() => {
    chmodSync(home, 0o700);
    rmSync(home, { recursive: true });
  });

  const compiler = () => vi.fn(() => Uint8Array.from({ length: 1000 }, (_, i) => i));
  const open = (env: Record<string, string> = {}) => new KernelCache({ env, home, root: "" });

  it("makes each thing once, also for a later process", () => {
    const make = compiler();
    const first = open().get(["source", "sm_90"], make);
    expect(new Uint8Array(open().get(["source", "sm_90"], make))).toEqual(first);
    expect(make).toHaveBeenCalledTimes(1);
  });

  it.each([[["source", "sm_80"]], [["source2", "sm_90"]], [["sourcesm_90", ""]]])("tells %j apart", (key) => {
    const make = compiler();
    open().get(["source", "sm_90"], make);
    open().get(key, make);
    expect(make).toHaveBeenCalledTimes(2);
  });

  it("lies in XDG_CACHE_HOME, or in ~/.cache", () => {
    expect(open().folder).toBe(join(home, ".cache/spikefold"));
    expect(open({ XDG_CACHE_HOME: join(home, "elsewhere") }).folder).toBe(join(home, "elsewhere/spikefold"));
  });

  it.each([
    ["truncated", (bytes: Buffer) => bytes.subarray(0, 500)], ["empty", () => Buffer.alloc(0)],
    ["changed", (bytes: Buffer) => { bytes[700] ^= 1; return bytes; }],
  ])("makes again what is %s, and mends it", (_, damage) => {
    const make = compiler();
    const cache = open();
    const whole = cache.get(["k"], make);
    const [name] = readdirSync(cache.folder);
    const file = join(cache.folder, name);
    writeFileSync(file, damage(readFileSync(file)));
    expect(new Uint8Array(cache.get(["k"], make))).toEqual(whole);
    expect(make).toHaveBeenCalledTimes(2);
    cache.get(["k"], make);
    expect(make).toHaveBeenCalledTimes(2);
  });

  it("leaves no partial files, and does without a folder that cannot be made", () => {
    const cache = open();
    cache.get(["k"], compiler());
    expect(readdirSync(cache.folder)).toEqual([expect.stringMatching(/^[0-9a-f]{64}\.cubin$/)]);
    const file = join(home, "file");
    writeFileSync(file, "");
    const make = compiler();
    expect(open({ XDG_CACHE_HOME: file }).get(["k"], make)).toHaveLength(1000);
    expect(make).toHaveBeenCalledTimes(1);
  });
});
