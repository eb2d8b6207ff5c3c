import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import koffi from "koffi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lif } from "../../../src/neuron/index.ts";
import { devices, openDevice, simulate } from "../../../src/device/index.ts";
import type { CudaDevice } from "../../../src/device/cuda/device.ts";
import { blockBytes } from "../../../src/device/cuda/memory.ts";
import { DeviceError } from "../../../src/errors.ts";
import { deviceContract } from "../contract.ts";
import { describeOnStandIn, library, openCuda } from "./standIn.ts";

/** Settings of the stand-in while `work` runs. */
async function given<T>(settings: Record<string, string>, work: () => Promise<T>): Promise<T> {
  Object.assign(process.env, settings);
  try {
    return await work();
  } finally {
    for (const name of Object.keys(settings)) delete process.env[name];
  }
}

describeOnStandIn("a cuda device of the stand-in", () => {
  const counters = () => {
    const loaded = koffi.load(library!);
    return { bytesInUse: loaded.func("size_t standInBytesInUse(int device)"), leaks: loaded.func("const char *standInLeaks()") };
  };

  deviceContract("cuda", () => openCuda(), false);

  let device: CudaDevice;
  beforeAll(async () => { device = await openCuda("cuda:1"); });
  afterAll(() => device.dispose());

  it("says that it is none", () => {
    expect(device.name).toBe("cuda:1");
    expect(device.description).toMatch(/^stand-in, no GPU: .*sm_90, 1\.0 GiB, driver for CUDA 13\.0, NVRTC 13\.0$/);
  });

  it("works in turns with another one", async () => {
    const other = await openCuda("cuda:0");
    const tensors = Array.from({ length: 6 }, (_, i) => (i % 2 ? device : other).tensor(Float32Array.of(i), [1]));
    for (const [i, tensor] of tensors.entries()) {
      expect(await tensor.device.read(tensor)).toEqual(Float32Array.of(i));
      tensor.dispose();
    }
    const input = Float32Array.from({ length: 64 }, (_, i) => i / 16);
    const [a, b] = [await simulate(lif(), input, { steps: 4, device }), await simulate(lif(), input, { steps: 4, device: other })];
    expect(a.spikes).toEqual(b.spikes);
    expect(a.spikes).toEqual((await simulate(lif(), input, { steps: 4, device: "cpu" })).spikes);
    await other.dispose();
  });

  it("takes uploads of any length, which may be changed at once", async () => {
    for (const size of [1, 1000, (4 << 20) + 13, 9 << 20]) {
      const data = new Uint8Array(size);
      for (let i = 0; i < size; i++) data[i] = i * 7 + (i >> 8);
      const before = data.slice();
      using tensor = device.tensor(data, [size]);
      data.fill(0);
      expect(Buffer.from((await device.read(tensor)).buffer).equals(Buffer.from(before.buffer)), `${size} bytes`).toBe(true);
    }
  });

  it("keeps many small uploads apart", async () => {
    const tensors = Array.from({ length: 300 }, (_, i) => device.tensor(new Float32Array(10_000 + i).fill(i), [10_000 + i]));
    for (const [i, tensor] of tensors.entries()) expect(new Set((await device.read(tensor)) as Float32Array)).toEqual(new Set([i]));
    for (const tensor of tensors) tensor.dispose();
  });

  it("reads without holding up the host, and what was there at the call", async () => {
    using tensor = device.tensor(new Float32Array(1 << 20).fill(3), [1 << 20]);
    let turns = 0;
    const counting = setInterval(() => turns++, 0);
    const reads = [device.read(tensor), device.read(tensor)];
    device.write(tensor, new Float32Array(1 << 20).fill(4));
    for (let i = 0; i < 20; i++) device.zeros([1000]).dispose();
    for (const data of await Promise.all(reads)) expect(new Set(data as Float32Array)).toEqual(new Set([3]));
    clearInterval(counting);
    expect(turns).toBeGreaterThan(0);
  });

  it("says so when it is closed while it is read", async () => {
    const other = await openCuda("cuda:0");
    const reading = other.read(other.zeros([1000]));
    await other.dispose();
    await expect(reading).rejects.toThrow(/closed while it was read/);
  });

  it("allocates nothing in a step that repeats", () => {
    const step = () => {
      const held = [100_000, 4096, 17, 100_000, 1 << 20].map((size) => device.empty([size]));
      for (const tensor of held) tensor.dispose();
    };
    step();
    const { bytesReserved } = device.context.memory;
    for (let i = 0; i < 20; i++) step();
    expect(device.context.memory.bytesReserved).toBe(bytesReserved);
  });

  it("holds an eighth more than was asked for at most, from 4 KiB on", () => {
    for (let bytes = 4096; bytes < 2 ** 36; bytes = Math.ceil(bytes * 1.013)) {
      expect(blockBytes(bytes)).toBeGreaterThanOrEqual(bytes);
      expect(blockBytes(bytes)).toBeLessThanOrEqual(bytes * 1.125 + 512);
      expect(blockBytes(blockBytes(bytes))).toBe(blockBytes(bytes));
      expect(blockBytes(bytes) % 512).toBe(0);
    }
  });

  it("gives everything back when it is closed, whatever is alive", async () => {
    const other = await openCuda("cuda:0", { profile: true });
    await simulate(lif(), new Float32Array(64).fill(2), { steps: 4, device: other });
    const kept = other.zeros([1000]);
    other.zeros([5000]).dispose();
    await other.dispose();
    kept.dispose();
    expect(counters().bytesInUse(0)).toBe(0);
    expect(counters().leaks()).not.toContain("device 0");
  });

  it("measures time only when asked to", async () => {
    using _tensor = device.zeros([1 << 20]);
    expect(device.time).toEqual({ dense: 0, neuron: 0, rest: 0 });
    const measured = await openCuda("cuda:1", { profile: true });
    for (let i = 0; i < 1500; i++) measured.zeros([1000]).dispose();
    await simulate(lif(), new Float32Array(4096).fill(2), { steps: 4, device: measured });
    const { dense, neuron, rest } = measured.time;
    expect(dense).toBe(0);
    expect(neuron).toBeGreaterThan(0);
    expect(rest).toBeGreaterThan(0);
    expect(measured.time.neuron).toBe(neuron);
    await measured.dispose();
  });
});

describeOnStandIn("failures of a cuda device", () => {
  const works = async (device: CudaDevice) => {
    using tensor = device.tensor(Float32Array.of(1, 2), [2]);
    expect(await device.read(tensor)).toEqual(Float32Array.of(1, 2));
  };

  it("out of memory names what is asked, in use and free, and the device goes on", () => given({ STAND_IN_MEMORY: String(64 << 20) }, async () => {
    const device = await openCuda();
    using _held = device.empty([8 << 20]);
    const ask = () => device.empty([(10 << 20) + 1]);
    expect(ask).toThrow(DeviceError);
    expect(ask).toThrow(/out of memory: 40\.0 MiB more are needed, 32\.0 MiB are in use, and 32\.0 MiB of the device's 64\.0 MiB are free.*smaller batch/);
    await works(device);
    await device.dispose();
  }));

  it("gives memory kept for later back before it is out of memory", () => given({ STAND_IN_MEMORY: String(64 << 20) }, async () => {
    const device = await openCuda();
    device.empty([10 << 20]).dispose();
    using _other = device.empty([12 << 20]);
    await works(device);
    await device.dispose();
  }));

  it("lends memory that goes back to the device, and none where there is too little", () => given({ STAND_IN_MEMORY: String(64 << 20) }, async () => {
    const device = await openCuda();
    const { memory } = device.context;
    using _held = device.empty([8 << 20]);
    device.empty([4 << 20]).dispose();
    const { bytesInUse } = memory;
    expect(memory.lend(1000, () => memory.bytesReserved)).toBe((48 << 20) + 1024);
    expect(memory.bytesReserved).toBe(48 << 20);
    // What is kept for later makes room.
    expect(memory.lend(30 << 20, (address) => address > 0)).toBe(true);
    expect([memory.bytesReserved, memory.bytesInUse]).toEqual([32 << 20, bytesInUse]);
    expect(memory.lend(40 << 20, () => true)).toBeUndefined();
    expect(() => memory.lend(1000, () => { throw new Error("no"); })).toThrow("no");
    expect(memory.bytesReserved).toBe(32 << 20);
    await works(device);
    await device.dispose();
  }));

  it("a kernel that does not compile comes with the compiler's log", async () => {
    const device = await openCuda();
    const compile = () => device.context.function("broken", 'extern "C" __global__ void broken(float* x) { x[0] = nonsense; }', "broken");
    expect(compile).toThrow(DeviceError);
    expect(compile).toThrow(/the kernel broken does not compile \(--gpu-architecture=sm_90 --fmad=false --std=c\+\+17\):\n.*nonsense/s);
    await works(device);
    await device.dispose();
  });

  it("a kernel that is not in its source is named by the driver", async () => {
    const device = await openCuda();
    expect(() => device.context.function("a", 'extern "C" __global__ void a(float* x) { x[0] = 1.0f; }', "b")).toThrow(/cuModuleGetFunction failed with CUDA_ERROR_NOT_FOUND \(500\)/);
    await device.dispose();
  });

  it("a kernel that accesses what it must not loses the device, while the cpu device works", async () => {
    const device = await openCuda();
    const kernel = device.context.function("wild", 'extern "C" __global__ void wild(float* x, const long long n) { x[n] = 1.0f; }', "wild");
    const tensor = device.zeros([16]);
    device.context.launch(kernel, 1, [device.context.ptr(tensor, "wild"), 2 ** 20]);
    await expect(device.read(tensor)).rejects.toThrow(/CUDA_ERROR_ILLEGAL_ADDRESS \(700\).*lost to this process.*compute-sanitizer/);
    expect(() => device.zeros([2 ** 20])).toThrow(DeviceError);
    await device.dispose();
    tensor.dispose();
    const { spikes } = await simulate(lif(), new Float32Array(8).fill(3), { steps: 2, device: "cpu" });
    expect([...spikes]).toContain(1);
  });

  it("says which precisions a GPU without their tensor cores has", () => given({ STAND_IN_CAPABILITY: "75" }, async () => {
    const device = await openCuda();
    for (const precision of ["tf32", "bfloat16"] as const) {
      expect(() => device.denseFor(precision)).toThrow(DeviceError);
      expect(() => device.denseFor(precision)).toThrow(`cuda:0: host stand-in 0, sm_75, has no tensor cores for ${precision}, those of sm_80 and newer have: use the precision float32.`);
    }
    using sums = device.denseFor("float32").sumFirst(device.tensor(Float32Array.of(1, 2, 3, 4), [2, 2]), 1);
    expect(await device.read(sums)).toEqual(Float32Array.of(4, 6));
    await device.dispose();
  }));

  it("a device number that is not there is named with those that are", async () => {
    await expect(openDevice("cuda:7")).rejects.toThrow('There is no device "cuda:7": 2 cuda devices are visible, "cuda:0", "cuda:1".');
    await given({ STAND_IN_DEVICES: "1" }, async () => {
      await expect(openDevice("cuda:1")).rejects.toThrow('There is no device "cuda:1": 1 cuda device is visible, "cuda:0".');
    });
  });
});

const built = new URL("../../../dist/device/index.js", import.meta.url);

describe.skipIf(library === null || !existsSync(built))("a process of the built package", () => {
  const open = async (env: Record<string, string>, name = "cuda") => {
    const source = `import { devices, openDevice } from ${JSON.stringify(built.href)};
      try { console.log((await openDevice(${JSON.stringify(name)})).description); } catch (error) { console.log(error.name, error.message); }
      console.log((await devices()).map(({ name }) => name).join(" "));`;
    const child = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", source], { timeout: 20_000, env: { ...process.env, ...env } });
    return child.stdout;
  };

  it.each([
    ["no device", { STAND_IN_DEVICES: "0" }, /^DeviceError|CudaError.*cuInit failed with CUDA_ERROR_NO_DEVICE \(100\).*No NVIDIA GPU is visible: see nvidia-smi/],
    ["an old driver", { STAND_IN_DRIVER_VERSION: "11080" }, /the NVIDIA driver is for CUDA 11\.8, 12 or newer is needed: update the driver/],
  ])("says that there is %s, and has the cpu device", async (_, settings, message) => {
    const [first, listing] = (await open(settings as Record<string, string>)).split("\n");
    expect(first).toMatch(message);
    expect(listing).toBe("cpu");
  });

  it("lists the devices that can be opened", async () => {
    expect(await open({})).toMatch(/^stand-in, no GPU: .*\ncpu cuda:0 cuda:1\n$/);
  });

  it("does not have the stand-in without the switch of the tests", async () => {
    expect(await open({ SPIKEFOLD_TEST: "" })).not.toContain("stand-in");
  });
});

it("is listed where it can be opened", async () => {
  const listed = (await devices()).map(({ name }) => name);
  expect(listed[0]).toBe("cpu");
  if (library !== null) expect(listed).toEqual(["cpu", "cuda:0", "cuda:1"]);
});
