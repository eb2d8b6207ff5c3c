import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../src/device/index.ts";
import { devices, openDevice } from "../../src/device/index.ts";
import { OptionError } from "../../src/errors.ts";
import { deviceContract } from "./contract.ts";

deviceContract("cpu", () => openDevice("cpu", { threads: 2 }));

describe("the cpu device", () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice("cpu", { threads: 2 });
  });
  afterAll(() => device.dispose());

  it("says how to get along with less when memory runs out", () => {
    using _held = device.empty([1 << 20]);
    expect(() => device.empty([2 ** 30])).toThrow(/out of memory: 408\d\.\d MiB more are needed, .* in use.*4095\.9 MiB.*smaller batch/);
    using _next = device.zeros([10]);
  });

  it("counts the time of its work", () => {
    const before = device.time.rest;
    using _tensor = device.zeros([1 << 22]);
    expect(device.time.rest).toBeGreaterThan(before);
  });
});

describe("openDevice", () => {
  it.each(["tpu", "cuda:", "cpu:0"])("lists the names when asked for %j", async (name) => {
    await expect(openDevice(name)).rejects.toThrow(/is no device.*"cpu", "webgpu", "cuda"/);
  });

  it.each([0, -1, 2.5, 65])("refuses %d threads", async (threads) => {
    await expect(openDevice("cpu", { threads })).rejects.toThrow(OptionError);
  });

  it("lists what it opens", async () => {
    expect(await devices()).toContainEqual({ name: "cpu", description: expect.stringMatching(/WebAssembly.*thread/) });
  });
});

const built = new URL("../../dist/device/index.js", import.meta.url);

describe.skipIf(!existsSync(built))("a process of the built package", () => {
  const node = async (script: string, ...flags: string[]) => {
    const source = `import { openDevice } from ${JSON.stringify(built.href)}; ${script}`;
    return (await promisify(execFile)(process.execPath, [...flags, "--input-type=module", "-e", source], { timeout: 20_000 })).stdout;
  };

  it("ends without dispose, whether its workers spin or sleep", async () => {
    const work = `const device = await openDevice("cpu", { threads: 3 }); device.zeros([1 << 20]); console.log("end");`;
    expect(await node(work)).toBe("end\n");
    expect(await node(`${work} await new Promise((resolve) => setTimeout(resolve, 50));`)).toBe("end\n");
    expect(await node(`${work} process.exit();`)).toBe("end\n");
  });

  it("frees the memory of tensors that were forgotten", async () => {
    const forget = `const device = await openDevice("cpu", { threads: 1 });
      const kept = device.zeros([100]).reshape([10, 10]);
      for (let i = 0; i < 100; i++) device.zeros([1000]);
      for (let i = 0; i < 100 && device.bytesInUse > 400; i++) { gc(); await new Promise((resolve) => setTimeout(resolve, 10)); }
      console.log(device.bytesInUse, (await device.read(kept)).length);`;
    expect(await node(forget, "--expose-gc")).toBe("400 100\n");
  });
});
