import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { checkEvents, type Events } from "../../../src/data/events/events.ts";
import { writeNmnist } from "../../../src/data/events/nmnist.ts";
import { readEvents, type ReadEventsOptions } from "../../../src/data/events/read.ts";
import { FileFormatError, OptionError } from "../../../src/errors.ts";
import { aedat2, aedat3, aedat4, dat, davisAddress, dvs128Address, type Event, npy, structuredNpy, zip } from "./write.ts";

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);
const list = ({ x, y, t, p }: Events): Event[] => Array.from(t, (time, i) => ({ x: x[i], y: y[i], t: time, p: p[i] as 0 | 1 }));

const some: Event[] = [{ x: 3, y: 17, t: 0, p: 1 }, { x: 30, y: 0, t: 5, p: 0 }, { x: 0, y: 29, t: 5, p: 1 }, { x: 33, y: 12, t: 70_000, p: 0 }, { x: 1, y: 1, t: 1_000_000, p: 1 }];
const arrays = (events: readonly Event[], width = 34, height = 34): Events => ({
  x: Uint16Array.from(events, ({ x }) => x), y: Uint16Array.from(events, ({ y }) => y), t: Float64Array.from(events, ({ t }) => t), p: Uint8Array.from(events, ({ p }) => p), width, height,
});

/** The same events in every format. */
const files: Record<string, { bytes: Uint8Array; size: [number, number] }> = {
  nmnist: { bytes: writeNmnist(arrays(some)), size: [34, 34] },
  "aedat2 of a DVS128": { bytes: aedat2(some.map((event) => [dvs128Address(event), event.t])), size: [128, 128] },
  "aedat2 of a DAVIS": { bytes: aedat2(some.map((event) => [davisAddress(event), event.t]), [" AEChip: eu.seebetter.ini.chips.davis.Davis346red"]), size: [346, 260] },
  aedat3: { bytes: aedat3([{ events: some.slice(0, 2) }, { events: some, type: 0 }, { events: some.slice(2) }]), size: [128, 128] },
  "aedat4 without compression": { bytes: aedat4([some.slice(0, 2), some.slice(2)]), size: [40, 30] },
  "aedat4 in LZ4": { bytes: aedat4([some.slice(0, 2), some.slice(2)], { compression: 1 }), size: [40, 30] },
  "dat of version 1": { bytes: dat(some, { version: 1, size: [304, 240], type: 0 }), size: [304, 240] },
  "dat of version 2": { bytes: dat(some, { size: [640, 480] }), size: [640, 480] },
  "npz of records": { bytes: zip({ "label.npy": npy("'<i8'", "()", new Uint8Array(8)), "events.npy": structuredNpy(some) }), size: [34, 30] },
  "npz, deflated": { bytes: zip({ "events.npy": structuredNpy(some) }, true), size: [34, 30] },
};

describe.each(Object.entries(files))("%s", (name, { bytes, size }) => {
  it("gives the events that were written, by what the bytes say", async () => {
    const events = await readEvents(bytes, name.startsWith("npz") ? { width: size[0], height: size[1] } : {});
    expect(list(events)).toEqual(some);
    expect([events.width, events.height]).toEqual(size);
    expect(events.warnings).toBeUndefined();
    checkEvents("test", events);
  });

  it("is read from the middle of a larger buffer, and from an ArrayBuffer, without a change to it", async () => {
    const larger = new Uint8Array(bytes.length + 14).fill(9);
    larger.set(bytes, 7);
    const before = Uint8Array.from(bytes);
    expect(list(await readEvents(larger.subarray(7, 7 + bytes.length)))).toEqual(some);
    expect(list(await readEvents(Uint8Array.from(bytes).buffer))).toEqual(some);
    expect(bytes).toEqual(before);
  });

  it("leaves out events beyond a given sensor, and says so", async () => {
    const events = await readEvents(bytes, { width: 31, height: 20, name: "the file" });
    expect(list(events)).toEqual(some.filter(({ x, y }) => x < 31 && y < 20));
    expect(events.warnings).toEqual(["the file: left out 2 events beyond the sensor of 31 × 20, the first of them event 2"]);
  });
});

describe("files of others", () => {
  it("of N-MNIST give what Tonic's reader gives", async () => {
    const { x, y, t, p, width, height, warnings } = await readEvents(fixture("sample_nmnist.bin"));
    expect([t.length, sum(x), sum(y), sum(t), sum(p), t[0], t[4324]]).toEqual([4325, 74457, 71931, 690487405, 2145, 654, 311175]);
    expect([width, height, warnings]).toEqual([34, 34, undefined]);
  });

  it("of jAER give the sensor of their header", async () => {
    const { t, width, height } = await readEvents(fixture("sample_aedat_header.aedat"));
    expect([t.length, width, height]).toEqual([0, 346, 260]);
  });

  // By numpy.savez_compressed and numpy.savez, of NumPy 2.4.
  it.each([
    ["records and a label", "UEsDBC0AAAAIAAAAIQDrhFtv//////////8KABQAZXZlbnRzLm5weQEAEADnAAAAAAAAAHMAAAAAAAAAm+wX6hsQyciwjaFaPSW1OLlI3UohWkO9Ql1HQd0m00hdU0dBQ70ShVcC4VlAeAUgXk2SobpmLJCRll9UUpSYF59flJIKMsotMac4FShenJFYkArkaxjrAHXVKlALcDEzsDCkMEAAIysDG8MvBjhghFOMAFBLAwQtAAAACAAAACEAI7jwbP//////////CQAUAGxhYmVsLm5weQEAEACIAAAAAAAAAEYAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNpoa6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkamjoKtQoUAS52BggAAFBLAQItAy0AAAAIAAAAIQDrhFtvcwAAAOcAAAAKAAAAAAAAAAAAAACAAQAAAABldmVudHMubnB5UEsBAi0DLQAAAAgAAAAhACO48GxGAAAAiAAAAAkAAAAAAAAAAAAAAIABrwAAAGxhYmVsLm5weVBLBQYAAAAAAgACAG8AAAAwAQAAAAA=", 2 ** 40],
    ["four arrays of other types, polarities −1 and 1", "UEsDBC0AAAAIAAAAIQDalvwX//////////8FABQAeC5ucHkBABAAhgAAAAAAAABKAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG5XaqSuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GsY6mjoKtQoUAC4GZgZWBgYAUEsDBC0AAAAIAAAAIQDphSc9//////////8FABQAeS5ucHkBABAAgwAAAAAAAABHAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loF5Taqiuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GsY6mjoKtQoUAC4WNkYAUEsDBC0AAAAIAAAAIQAQrkkS//////////8FABQAdC5ucHkBABAAmAAAAAAAAABRAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TZqGuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GsY6mjoKtQoUAC4GMIh0AFMO+RCaocAJAFBLAwQtAAAACAAAACEAEm8LIf//////////BQAUAHAubnB5AQAQAIMAAAAAAAAARwAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBek2morqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RrGOpo6CrUKFAAuxv+MAFBLAQItAy0AAAAIAAAAIQDalvwXSgAAAIYAAAAFAAAAAAAAAAAAAACAAQAAAAB4Lm5weVBLAQItAy0AAAAIAAAAIQDphSc9RwAAAIMAAAAFAAAAAAAAAAAAAACAAYEAAAB5Lm5weVBLAQItAy0AAAAIAAAAIQAQrkkSUQAAAJgAAAAFAAAAAAAAAAAAAACAAf8AAAB0Lm5weVBLAQItAy0AAAAIAAAAIQASbwshRwAAAIMAAAAFAAAAAAAAAAAAAACAAYcBAABwLm5weVBLBQYAAAAABAAEAMwAAAAFAgAAAAA=", 2 ** 40],
  ])("of NumPy: %s", async (_, base64, last) => {
    const events = await readEvents(Buffer.from(base64, "base64"));
    expect(list(events)).toEqual([{ x: 3, y: 4, t: 100, p: 1 }, { x: 5, y: 6, t: 250, p: 0 }, { x: 0, y: 1, t: last, p: 1 }]);
    expect(events).toMatchObject({ width: 6, height: 7, warnings: [expect.stringMatching(/does not say how large its sensor is: taken as 6 × 7/)] });
  });
});

describe("time", () => {
  it("of N-MNIST goes beyond its 23 bits by markers, both ways", async () => {
    const late = [8_388_607, 8_388_608, 8_396_799, 8_396_800, 30_000_000].map((t, i): Event => ({ x: i, y: i, t, p: 1 }));
    expect(list(await readEvents(writeNmnist(arrays(late))))).toEqual(late);
    // As the published reader of the data set counts it: 2¹³ µs for each record with y = 240.
    expect([...(await readEvents(Uint8Array.of(1, 1, 0, 0, 5, 0, 240, 0, 0, 0, 1, 1, 0, 0, 6, 0, 240, 0, 0, 0, 1, 1, 0, 0, 7))).t]).toEqual([5, 8198, 16391]);
  });

  it.each([
    ["AEDAT 2.0", (t: number[]) => aedat2(t.map((time) => [0, time]))],
    [".dat", (t: number[]) => dat(t.map((time) => ({ x: 1, y: 1, t: time, p: 1 })), { size: [9, 9] })],
  ])("of %s goes on where 32 bits end", async (_, write) => {
    const times = [2 ** 32 - 10, 2 ** 32 + 5, 2 ** 32 + 5, 2 ** 33 - 7, 2 ** 33 + 1];
    expect([...(await readEvents(write(times.toSpliced(3, 0, 2 ** 32 + 2 ** 31)))).t]).toEqual(times.toSpliced(3, 0, 2 ** 32 + 2 ** 31));
  });

  it("of AEDAT 3.1 counts the overflows of 31 bits", async () => {
    const { t } = await readEvents(aedat3([{ events: [{ x: 0, y: 0, t: 7, p: 1 }] }, { events: [{ x: 0, y: 0, t: 3, p: 1 }], overflow: 2 }]));
    expect([...t]).toEqual([7, 2 ** 32 + 3]);
  });

  it("that goes back is put in order, events of one time as they were, with a warning", async () => {
    const events = await readEvents(dat([9, 4, 9, 4, 0].map((t, x): Event => ({ x, y: 0, t, p: (x % 2) as 0 | 1 })), { size: [9, 9] }), { name: "f" });
    expect(list(events).map(({ x, t, p }) => [x, t, p])).toEqual([[4, 0, 0], [1, 4, 1], [3, 4, 1], [0, 9, 0], [2, 9, 0]]);
    expect(events.warnings).toEqual(["f: 3 events are earlier than the one before: all were put in the order of time"]);
  });
});

describe("what is no polarity event is left out", () => {
  it("of AEDAT 2.0: frames, motion and plugs", async () => {
    const davis = { sensor: "davis240" } as const;
    expect((await readEvents(aedat2([[0x8000_0000, 1], [0x400, 2], [davisAddress({ x: 239, y: 179, t: 3, p: 1 }), 3]]), davis)).t).toEqual(Float64Array.of(3));
    expect((await readEvents(aedat2([[0x8000, 1], [0x0202, 2]]))).t).toEqual(Float64Array.of(2));
  });

  it("of AEDAT 3.1: events that are not valid", async () => {
    expect((await readEvents(aedat3([{ events: [{ x: 1, y: 1, t: 1, p: 1, valid: false }, { x: 2, y: 1, t: 2, p: 1 }] }]))).x).toEqual(Uint16Array.of(2));
  });

  it("of AEDAT 4: other streams", async () => {
    const bytes = aedat4([some.slice(0, 1), some.slice(1)], { streams: [{ id: 0, type: "FRME", size: [40, 30] }, { id: 2, type: "EVTS", size: [50, 60] }, { id: 5, type: "EVTS" }], ids: [5, 2] });
    const events = await readEvents(bytes, { name: "f" });
    expect(list(events)).toEqual(some.slice(1));
    expect(events).toMatchObject({ width: 50, height: 60, warnings: ["f has 2 streams of events: read stream 2"] });
  });
});

it("reads large packets of LZ4, whose repetitions reach into the block before", async () => {
  const many = Array.from({ length: 300_000 }, (_, i): Event => ({ x: i % 40, y: (i >> 3) % 30, t: 10 ** 15 + 7 * i, p: (i & 1) as 0 | 1 }));
  const bytes = aedat4([many], { compression: 2 });
  expect(bytes.length).toBeLessThan(many.length * 14);
  const events = await readEvents(bytes);
  expect([events.t.length, events.t[299_999], sum(events.x), sum(events.y), sum(events.p)]).toEqual([many.length, many[299_999].t, sum(many.map(({ x }) => x)), sum(many.map(({ y }) => y)), 150_000]);
});

describe("readEvents refuses", () => {
  const refused: [string, Uint8Array | string, ReadEventsOptions, RegExp][] = [
    ["an empty file", new Uint8Array(0), {}, /f, byte 0: found nothing, expected a file of nmnist, aedat2/],
    ["text", new TextEncoder().encode("<!DOCTYPE html><html><body>Not Found, the file that you asked for is not here</body></html>"), {}, /f, byte 0: found the bytes 3c 21 44 4f/],
    ["HDF5", Uint8Array.of(0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a), {}, /loadShd/],
    ["AEDAT 1", new TextEncoder().encode("#!AER-DAT1.0\r\n"), {}, /f, byte 9: found AEDAT 1/],
    ["ZSTD", aedat4([some], { compression: 3 }), {}, /f, byte 14: found the compression ZSTD, expected none or LZ4: .*convert/],
    ["AEDAT 4 without events", aedat4([], { streams: [{ id: 0, type: "FRME" }] }), {}, /no stream of events/],
    ["a packet of another kind", aedat4([some], { identifier: "FRME" }), {}, /"FRME".*expected "EVTS"/],
    ["a chip that is not known", aedat2([[1, 1]], [" AEChip: ch.unizh.ini.CochleaAMS1c"]), {}, /f, byte 0: .*CochleaAMS1c.*pass sensor/],
    ["a .raw file", new TextEncoder().encode("% Date 2020\n% evt 3.0\n"), {}, /f, byte 12: .*RAW file of Prophesee/],
    ["events that are not CD", dat(some, { type: 14 }), {}, /f, byte \d+: found events of type 14/],
    ["arrays of unequal lengths", zip({ "x.npy": npy("'|u1'", "(2,)", new Uint8Array(2)), "y.npy": npy("'|u1'", "(2,)", new Uint8Array(2)), "t.npy": npy("'|u1'", "(3,)", new Uint8Array(3)), "p.npy": npy("'|u1'", "(2,)", new Uint8Array(2)) }), {}, /x.npy has 2 values of x, but there are 3 of t/],
    ["places that are no whole numbers", zip({ "events.npy": npy("[('x', '<f4'), ('y', '<f4'), ('t', '<f4'), ('p', '<f4')]", "(1,)", new Uint8Array(new Float32Array([0.5, 0, 0, 0]).buffer)) }), {}, /event 0 lies at 0.5/],
    ["an archive without events", zip({ "a.npy": npy("'<i4'", "(1, 4)", new Uint8Array(16)), "readme.txt": new Uint8Array(3) }), {}, /found a.npy, readme.txt in the archive, expected arrays x, y, t and p/],
    ["a file that is not there", "/nowhere/at/all.bin", {}, /all.bin cannot be read: ENOENT/],
  ];
  it.each(refused)("%s", async (_, source, options, message) => {
    const reading = readEvents(source, typeof source === "string" ? options : { name: "f", ...options });
    await expect(reading).rejects.toThrow(FileFormatError);
    await expect(reading).rejects.toThrow(message);
  });

  it.each([
    ["a number", 3, {}, /source is 3: expected a path, or a file's bytes/],
    ["a format that there is not", new Uint8Array(5), { format: "aedat" }, /format is "aedat": expected "nmnist" or "aedat2"/],
    ["a sensor for a file that has none", files.nmnist.bytes, { sensor: "dvs128" }, /sensor is for AEDAT/],
  ])("%s", async (_, source, options, message) => {
    const reading = readEvents(source as never, options as never);
    await expect(reading).rejects.toThrow(OptionError);
    await expect(reading).rejects.toThrow(message);
  });

  it("nothing that `format` says is right", async () => {
    const backwards = new Uint8Array(40).map((_, i) => (i % 5 === 3 ? 40 - i : 0));
    await expect(readEvents(backwards)).rejects.toThrow(/pass format/);
    expect((await readEvents(backwards, { format: "nmnist" })).t.length).toBe(8);
  });
});

describe("writeNmnist refuses what the format cannot hold", () => {
  it.each([
    ["rows beyond 240", arrays(some, 304, 241), /events.width is 304/],
    ["many rows", arrays(some, 34, 241), /events.height is 241: expected an integer in 1 … 240/],
    ["times below 0", arrays([{ x: 0, y: 0, t: -1, p: 1 }]), /start at t = -1/],
  ])("%s", (_, events, message) => expect(() => writeNmnist(events)).toThrow(message));
});
