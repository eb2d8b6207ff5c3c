import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device, TypedArray } from "../../src/device/index.ts";
import { DeviceError, ShapeError } from "../../src/errors.ts";
import { rowsOf } from "../arguments/device.ts";
import { misbehaviour } from "../arguments/table.ts";

const random = (length: number) => Float32Array.from({ length }, Math.random);

/** For large arrays, which `toEqual` compares slowly. */
const same = (a: TypedArray, b: TypedArray) => a.length === b.length && a.every((value, i) => value === b[i]);

/** What holds for the memory, and the arguments, of every device. */
export const deviceContract = (name: string, open: () => Promise<Device>, withDense = true) => describe(`memory of ${name}`, () => {
  let device: Device;
  beforeAll(async () => { device = await open(); });
  afterAll(() => device.dispose());

  it.each([
    ["f32", random(1000)],
    ["i32", Int32Array.of(-(2 ** 31), 0, 2 ** 31 - 1)],
    ["u8", Uint8Array.of(0, 255, 7, 1, 2)],
  ])("gives back the %s values it was given", async (dtype, data) => {
    using tensor = device.tensor(data, [data.length]);
    expect(tensor.dtype).toBe(dtype);
    expect(await device.read(tensor)).toEqual(data);
  });

  it.each([1, 3, 65_536, 200_001])("zeroes %i values, whatever was there", async (size) => {
    for (const dtype of ["f32", "i32", "u8"] as const) {
      const before = device.empty([size], dtype);
      device.write(before, dtype === "f32" ? new Float32Array(size).fill(3) : dtype === "i32" ? new Int32Array(size).fill(3) : new Uint8Array(size).fill(3));
      before.dispose();
      using tensor = device.zeros([size], dtype);
      expect((await device.read(tensor)).every((value) => value === 0)).toBe(true);
    }
  });

  it.each([1, 3, 65_537, 150_001])("copies %i values and nothing beyond them", async (size) => {
    const data = random(size);
    using source = device.tensor(data, [size]);
    using target = device.zeros([size]);
    using neighbour = device.zeros([64]);
    device.copy(source, target);
    expect(same(await device.read(target), data)).toBe(true);
    expect(await device.read(neighbour)).toEqual(new Float32Array(64));
    using bytes = device.tensor(Uint8Array.of(1, 2, 3), [3]);
    using more = device.zeros([3], "u8");
    device.copy(bytes, more);
    expect(await device.read(more)).toEqual(Uint8Array.of(1, 2, 3));
  });

  it("copies to a place in a larger tensor", async () => {
    using target = device.zeros([5]);
    [[1, 2], [3]].forEach((values, i) => {
      using source = device.tensor(Float32Array.from(values), [values.length]);
      device.copy(source, target, 1 + 2 * i);
    });
    expect(await device.read(target)).toEqual(Float32Array.of(0, 1, 2, 3, 0));
    using bytes = device.zeros([1], "u8");
    expect(() => device.copy(bytes, bytes, 0)).toThrow(/elements of 4 bytes/);
  });

  it("copies from a place in a larger tensor", async () => {
    using source = device.tensor(Float32Array.of(0, 1, 2, 3, 4), [5]);
    using target = device.zeros([2]);
    device.copy(source, target, 3);
    expect(await device.read(target)).toEqual(Float32Array.of(3, 4));
    expect(() => device.copy(source, target, 4)).toThrow(/from element 4 of the source \[5\].*room for all of it/);
    expect(() => device.copy(source, target)).toThrow(/the source \[5\] has 5 elements, the target \[2\] 2/);
  });

  it("shares memory between a tensor and its views until the last is disposed", async () => {
    const before = device.bytesInUse;
    const tensor = device.tensor(Float32Array.of(1, 2, 3, 4, 5, 6), [6]);
    const view = tensor.reshape([2, 3]);
    expect(device.bytesInUse - before).toBe(24);
    device.write(view, Float32Array.of(6, 5, 4, 3, 2, 1));
    expect(await device.read(tensor)).toEqual(Float32Array.of(6, 5, 4, 3, 2, 1));
    tensor.dispose();
    tensor.dispose();
    expect(await device.read(view)).toEqual(Float32Array.of(6, 5, 4, 3, 2, 1));
    expect(device.bytesInUse - before).toBe(24);
    view[Symbol.dispose]();
    expect(device.bytesInUse).toBe(before);
  });

  it("names the operation that uses a disposed tensor", async () => {
    const tensor = device.zeros([2, 3]);
    using other = device.zeros([2, 3]);
    tensor.dispose();
    await expect(device.read(tensor)).rejects.toThrow(/read: the tensor \[2,3\] was used after it was disposed/);
    expect(() => device.write(tensor, new Float32Array(6))).toThrow(/write.*disposed/);
    expect(() => device.copy(other, tensor)).toThrow(/copy.*disposed/);
    expect(() => tensor.reshape([6])).toThrow(DeviceError);
  });

  it("refuses shapes, lengths and types that do not fit", () => {
    const before = device.bytesInUse;
    expect(() => device.tensor(new Float32Array(5), [2, 3])).toThrow(/5 values were given for the shape \[2,3\], which holds 6/);
    expect(() => device.empty([2, -1])).toThrow(ShapeError);
    expect(() => device.empty([1.5])).toThrow(ShapeError);
    using tensor = device.zeros([2, 3]);
    expect(() => tensor.reshape([5])).toThrow(ShapeError);
    expect(() => device.write(tensor, new Int32Array(6))).toThrow(/6 values of i32.*6 f32/);
    using integers = device.zeros([6], "i32");
    expect(() => device.copy(tensor, integers)).toThrow(/f32 was expected/);
    using longer = device.zeros([7]);
    expect(() => device.copy(tensor, longer)).toThrow(ShapeError);
    expect(() => device.copy(tensor, longer, 2)).toThrow(/\[2,3\] of f32 to element 2 of the target \[7\]/);
    expect(device.bytesInUse - before).toBe(4 * (6 + 6 + 7));
  });

  it("refuses tensors of another device", async () => {
    const other = await open();
    using foreign = other.zeros([3]);
    using own = device.zeros([3]);
    expect(() => device.copy(foreign, own)).toThrow(/copy: the tensor \[3\] belongs to another device/);
    await other.dispose();
  });

  it("refuses arguments of every wrong kind", async () => {
    const device = await open();
    const wrong: string[] = [];
    for (const [each, row] of Object.entries(rowsOf(device, withDense))) wrong.push(...(await misbehaviour(each, row)));
    expect(wrong).toEqual([]);
    await device.dispose();
  });

  it("is of no use once closed", async () => {
    const device = await open();
    const tensor = device.zeros([3]);
    await device.dispose();
    await device.dispose();
    expect(() => device.zeros([3])).toThrow(/closed/);
    expect(() => device.dense).toThrow(/closed/);
    await expect(device.read(tensor)).rejects.toThrow(/read: the device is closed/);
    await expect(device.synchronize()).rejects.toThrow(DeviceError);
    tensor.dispose();
  });
});
