import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { root } from "../built.ts";
import { library, useStandIn } from "../device/cuda/standIn.ts";
import { occasionally } from "../sample.ts";

const run = promisify(execFile);
const isBuilt = existsSync(join(root, "dist/device/cuda/device.js"));
const lacking = !isBuilt ? "there is no dist/, run npm run build" : library === null ? "g++ is missing" : null;
const named = (name: string, reason = lacking): string => (reason === null ? name : `${name} (skipped: ${reason})`);
const has = (command: string): boolean => {
  try {
    execFileSync(command, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};

interface Result { contestant: string; T: number; N: number; dtype: string; direction: string; medianMs: number; repetitions: number; clock: string; GBs?: number; bytesPerNeuronStep?: number; firingRate?: number }
interface Report {
  measurement: boolean;
  machine: { description: string };
  contestants: { name: string; present: boolean; reason?: string }[];
  hostMicroseconds: { emptyKernel: { medianUs: number } };
  results: Result[];
  skipped: { T: number; N: number; dtype: string; contestant?: string; reason: string }[];
}

interface Piece {
  measurement: boolean;
  commands: string[];
  missing: string[];
  rows: {
    kind: string; name: string; tool?: string; failures: string[]; contestant: string; precision: string; losses: number[]; firingRate: number; withoutGraph?: string; profile: Record<string, number>;
  }[];
}

describe(named("the GPU benchmark on the stand-in"), () => {
  const folder = mkdtempSync(join(tmpdir(), "gpu-bench-"));
  const piece = (file: string): Piece => JSON.parse(readFileSync(join(folder, file), "utf8"));
  const report = (file: string): Report => JSON.parse(readFileSync(join(folder, file), "utf8"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  if (lacking === null) useStandIn();
  const options = ["--steps", "8", "--rounds", "2", "--repetitions", "2"];

  it.skipIf(lacking !== null)(named("lists the engines of a step's convolutions, and marks those that are taken"), async () => {
    const file = join(folder, "engines.json");
    const { stdout } = await run(process.execPath, ["bench/gpu/engines.mjs", "--only", "spikingResnet18 8²×1 T=1 B=1 float32", "--batch", "1", "--size", "8", "--steps", "1", "--workspace", "0.1", "--out", file], { cwd: root });
    const { measurement, results, sums } = JSON.parse(readFileSync(file, "utf8"));
    expect(measurement).toBe(false);
    // Of ResNet18, 17 convolutions and 3 shortcuts, with two gradients each but for the first.
    expect(results.reduce((total: number, { count }: { count: number }) => total + count, 0)).toBe(20 * 3 - 1);
    for (const { rows } of results) {
      for (const choice of ["heuristic", "trial"]) expect(rows.filter(({ chosen }: { chosen: string[] }) => chosen.includes(choice))).toMatchObject([{ deterministic: true, precise: true, layout: "last" }]);
      expect(new Set(rows.map(({ layout }: { layout: string }) => layout))).toEqual(new Set(["last", "first"]));
    }
    expect(sums[0].trial).toBeGreaterThan(0);
    expect(stdout).toMatch(/tensor cores, nondeterministic/);
  });

  it.skipIf(lacking !== null || !has("python3"))(named("times ours, names every peer that is missing, and calls none of it a measurement", lacking ?? (has("python3") ? null : "python3 is missing")), async () => {
    const env = { ...process.env, STAND_IN_MEMORY: String(16 << 20) };
    await run(process.execPath, ["bench/gpu/bench.mjs", "--neurons", "4096,1048576", "--out", join(folder, "ours.json"), ...options], { cwd: root, env });
    const { measurement, machine, contestants, hostMicroseconds, results, skipped } = report("ours.json");
    expect(measurement).toBe(false);
    expect(machine.description).toContain("stand-in, no GPU");
    expect(hostMicroseconds.emptyKernel.medianUs).toBeGreaterThan(0);

    for (const name of ["pytorch loop", "torch.compile", "snntorch", "norse", "spikingjelly torch", "spikingjelly cupy", "spikingjelly triton", "jax scan", "pytorch copy"]) {
      const peer = contestants.find((each) => each.name === name)!;
      expect(peer.present || (peer.reason?.length ?? 0) > 0, `${name} is there, or it is said why not`).toBe(true);
    }
    const ours = (contestant: string, dtype: string): [string, number][] => results.filter((each) => each.contestant === contestant && each.dtype === dtype).map(({ direction, bytesPerNeuronStep }) => [direction, bytesPerNeuronStep!]);
    expect(ours("spikefold", "fp32")).toEqual([["forward", 8], ["backward", 12], ["both", 20]]);
    expect(ours("spikefold", "bf16")).toEqual([["forward", 4], ["backward", 6], ["both", 10]]);
    expect(ours("paper", "fp32")).toEqual([["forward", 12], ["backward", 16], ["both", 28]]);
    expect(ours("paper", "bf16")).toEqual([]);
    expect(ours("copy", "bf16")).toEqual([["forward", 4]]);
    expect(ours("spikefold adaptive", "bf16").map(([direction]) => direction)).toEqual(["forward", "backward", "both"]);

    const rates = results.filter(({ contestant, dtype }) => ["spikefold", "paper"].includes(contestant) && dtype === "fp32").map(({ firingRate }) => firingRate!);
    expect(new Set(rates).size, "the paper's algorithm fires as ours does").toBe(1);
    expect(rates[0]).toBeGreaterThan(0.05);
    expect(rates[0]).toBeLessThan(0.3);
    for (const { N, medianMs, repetitions } of results) {
      expect(N).toBe(4096);
      expect(medianMs).toBeGreaterThan(0);
      expect(repetitions).toBe(4);
    }
    expect(skipped.filter(({ N, contestant }) => N === 1048576 && contestant === undefined).map(({ dtype, reason }) => [dtype, reason])).toEqual([["fp32", "out of memory"], ["bf16", "out of memory"]]);
  });

  it.skipIf(lacking !== null)(named("goes on without Python, and says so"), async () => {
    await run(process.execPath, ["bench/gpu/bench.mjs", "--neurons", "256", "--dtypes", "fp32", "--python", join(folder, "none"), "--out", join(folder, "alone.json"), ...options], { cwd: root });
    const { contestants, results } = report("alone.json");
    expect(contestants.filter(({ present }) => !present)).toMatchObject([{ name: "peers", reason: expect.stringContaining("ENOENT") }]);
    expect(results.length).toBe(10);
  });

  it.skipIf(lacking !== null)(named("trains by itself where peers are missing, and goes on where it ended"), async () => {
    const train = (...given: string[]) => run(process.execPath, ["bench/gpu/train.mjs", "--part", "smoke", "--out", join(folder, "smoke.json"), "--rounds", "2", "--repetitions", "1", "--python", join(folder, "none"), ...given], { cwd: root });
    await train("--precisions", "float32");
    const [absent, calls, graph] = piece("smoke.json").rows;
    expect(absent).toMatchObject({ contestant: "peers", reason: expect.stringContaining("ENOENT") });
    expect(piece("smoke.json").measurement).toBe(false);
    expect([calls.contestant, graph.contestant]).toEqual(["spikefold calls", "spikefold"]);
    expect(graph.losses).toEqual(calls.losses);
    expect(graph.losses[2]).toBeLessThan(graph.losses[0]);
    expect(graph.firingRate).toBeGreaterThan(0.02);
    expect(graph.firingRate).toBeLessThan(0.3);
    expect(graph.withoutGraph).toBeUndefined();
    expect(graph).toMatchObject({ repetitions: 2, clock: "events", parameters: 5306, peakBytes: expect.any(Number) });
    expect(Object.values(graph.profile).every((ms) => ms > 0)).toBe(true);

    await train("--precisions", "float32,bfloat16");
    const { rows, commands } = piece("smoke.json");
    expect(commands).toHaveLength(2);
    expect(rows.slice(0, 3)).toEqual([absent, calls, graph]);
    const narrow = rows.filter(({ precision, contestant }) => precision === "bfloat16" && contestant === "spikefold");
    expect(narrow).toHaveLength(1);
    expect(Math.abs(narrow[0].losses[0] / graph.losses[0] - 1)).toBeLessThan(0.05);
  });

  it.skipIf(lacking !== null)(named("checks kernels, and keeps what compute-sanitizer says of them"), async () => {
    const sanitizer = join(folder, "sanitizer");
    writeFileSync(sanitizer, '#!/bin/sh\n[ "$1" != --version ] || exit 0\ntool=$2\nshift 4\n"$@"\n[ $tool = racecheck ] && echo "========= Race reported" && echo "========= ERROR SUMMARY: 1 error" && exit 86\necho "========= ERROR SUMMARY: 0 errors"\n', { mode: 0o755 });
    await run(process.execPath, ["bench/gpu/conformance.mjs", "--out", join(folder, "a.json"), "--only", "of [33,", "--lanes", "1", "--sanitizer", sanitizer], { cwd: root });
    await run(process.execPath, ["bench/gpu/conformance.mjs", "--out", join(folder, "a.json"), "--only", "a neuron called stateless", "--lanes", "2", "--no-sanitizer"], { cwd: root });
    const { rows, missing } = piece("a.json");
    expect(missing).toEqual([]);
    expect(rows.filter(({ tool }) => tool).map(({ tool, failures }) => [tool, failures.length]).sort()).toEqual([["initcheck", 0], ["memcheck", 0], ["racecheck", 1], ["synccheck", 0]]);
    expect(rows.filter(({ kind }) => kind === "fused")).toMatchObject([{ name: "a neuron called stateless", failures: [], cases: 4, inexact: 0 }]);
  });

  (lacking !== null || !has("xz") ? it.skip : occasionally)(named("runs from a pack alone, by the pack's own Node", lacking ?? (has("xz") ? null : "xz is missing")), async () => {
    const pack = join(folder, "pack");
    const { stdout } = await run(process.execPath, ["bench/gpu/pack.mjs", "--out", pack, "--xz-level", "0"], { cwd: root });
    expect(Number(/([\d.]+) MB {2}in all/.exec(stdout)![1])).toBeLessThan(50);
    const path = join(folder, "path");
    mkdirSync(path);
    writeFileSync(join(path, "node"), "#!/bin/sh\nexit 3\n", { mode: 0o755 });
    const packed = (part: string, ...given: string[]) => run("/bin/sh", [join(pack, "bench/gpu/run.sh"), join(folder, "packed.json"), "--part", part, ...given], { cwd: folder, env: { ...process.env, PATH: `${path}:${process.env.PATH}` } });
    await packed("b", "--neurons", "256", "--no-peers", ...options);
    expect(report("packed.b.json").measurement).toBe(false);
    expect(report("packed.b.json").results.length).toBe(17);
    const [first] = report("packed.b.json").results;
    await packed("b", "--neurons", "256", "--no-peers", ...options);
    expect(report("packed.b.json").results[0]).toEqual(first);
    await packed("a", "--only", "names that meet", "--lanes", "1", "--no-sanitizer");
    expect(piece("packed.a.json").rows).toMatchObject([{ failures: [], cases: 2 }]);
    await packed("smoke", "--precisions", "bfloat16", "--no-peers", "--rounds", "1", "--repetitions", "1");

    const markdown = await run(process.execPath, ["bench/gpu/report.mjs", ...["a", "b", "smoke"].map((part) => join(folder, `packed.${part}.json`)), "--steps", "8", "--chart", join(folder, "chart.svg")], { cwd: root });
    expect(markdown.stdout).toContain("Not a measurement");
    expect(markdown.stdout).toMatch(/\| paper \| [\d.]+ \|/);
    expect(markdown.stdout).toContain("part c, networks against peers: not run");
    expect(readFileSync(join(folder, "chart.svg"), "utf8")).toContain("Not a measurement");
  });
});
