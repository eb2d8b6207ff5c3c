import { describe, expect, it } from "vitest";
import { Random } from "../../../src/data/random.ts";
import { checkEvents, type Events } from "../../../src/data/events/events.ts";
import { writeNmnist } from "../../../src/data/events/nmnist.ts";
import { readEvents, type EventFormat } from "../../../src/data/events/read.ts";
import { FileFormatError } from "../../../src/errors.ts";
import { aedat2, aedat3, aedat4, dat, dvs128Address, type Event, npy, structuredNpy, zip } from "./write.ts";

const random = new Random(7);
const make = (count: number, time: (i: number) => number): Event[] => Array.from({ length: count }, (_, i) => ({ x: random.integer(34), y: random.integer(30), t: time(i), p: random.integer(2) as 0 | 1 }));
const nmnist = (events: readonly Event[]): Uint8Array => writeNmnist({
  x: Uint16Array.from(events, ({ x }) => x), y: Uint16Array.from(events, ({ y }) => y), t: Float64Array.from(events, ({ t }) => t), p: Uint8Array.from(events, ({ p }) => p), width: 34, height: 34,
});
const separate = (events: readonly Event[]): Uint8Array => zip({
  "x.npy": npy("'|u1'", `(${events.length},)`, Uint8Array.from(events, ({ x }) => x)), "y.npy": npy("'|u1'", `(${events.length},)`, Uint8Array.from(events, ({ y }) => y)),
  "t.npy": npy("'<f8'", `(${events.length},)`, new Uint8Array(Float64Array.from(events, ({ t }) => t).buffer)), "p.npy": npy("'|b1'", `(${events.length},)`, Uint8Array.from(events, ({ p }) => p)),
}, true);

const writers: [string, EventFormat, (events: readonly Event[]) => Uint8Array][] = [
  ["nmnist", "nmnist", nmnist],
  ["aedat2", "aedat2", (events) => aedat2(events.map((event) => [dvs128Address(event), event.t]))],
  ["aedat3", "aedat3", (events) => aedat3([{ events: events.slice(0, 7) }, { events: events.slice(7) }])],
  ["aedat4", "aedat4", (events) => aedat4([events.slice(0, 7), events.slice(7)])],
  ["aedat4 in LZ4", "aedat4", (events) => aedat4([events.slice(0, 7), events.slice(7)], { compression: 1 })],
  ["dat", "dat", (events) => dat(events, { size: [34, 30] })],
  ["npz of records", "npz", (events) => zip({ "events.npy": structuredNpy(events) })],
  ["npz, deflated", "npz", separate],
];

/** The events, or undefined for an error that names the file and the offset; anything else fails. */
async function attempt(bytes: Uint8Array, format?: EventFormat): Promise<Events | undefined> {
  try {
    const events = await readEvents(bytes, { name: "some/file", format });
    checkEvents("test", events);
    return events;
  } catch (error) {
    if (!(error instanceof FileFormatError) || !/^some\/file.*, byte \d+: /.test(error.message)) throw error;
    return undefined;
  }
}

describe.each(writers)("a file of %s", (_, format, write) => {
  const bytes = write(make(20, (i) => 50 * i));

  it("cut at any byte is an error, or fewer events with a warning", async () => {
    for (let length = 0; length < bytes.length; length++) {
      const events = await attempt(bytes.subarray(0, length), format);
      if (events === undefined) continue;
      expect(events.t.length).toBeLessThan(20);
      // Whole records, as nothing says how many there are: no sign of the cut remains.
      if (events.warnings === undefined) expect(format).toMatch(/nmnist|aedat|dat/);
    }
  });

  it("with wrong bytes is an error or events, 10 000 times", { timeout: 60_000 }, async () => {
    let read = 0;
    const started = performance.now();
    for (let turn = 0; turn < 10_000; turn++) {
      const wrong = Uint8Array.from(bytes);
      for (let flips = 1 + random.integer(3); flips > 0; flips--) wrong[random.integer(wrong.length)] = random.integer(4) === 0 ? 0xff : random.integer(256);
      // As the header, which one would recognise it by, may be hit.
      const events = await attempt(wrong, turn % 2 === 0 ? format : undefined);
      if (events === undefined) continue;
      read++;
      expect(events.t.length).toBeLessThanOrEqual(format === "aedat4" ? 255 * bytes.length : bytes.length / 4);
    }
    expect(performance.now() - started).toBeLessThan(50_000);
    expect(read).toBeGreaterThan(0);
    expect(read).toBeLessThanOrEqual(10_000);
  });
});

describe("memory", () => {
  const uncompressed = writers.filter(([name]) => !/LZ4|deflated|nmnist/.test(name));
  const backwards = make(100_000, () => random.integer(1_000_000));
  // The writer of N-MNIST takes events in order only.
  const wild = nmnist(make(100_000, (i) => i)).map((byte, i) => (i % 5 > 2 ? random.integer(256) : byte));

  it.each([...uncompressed.map(([name, , write]) => [name, write(backwards)] as const), ["nmnist", wild] as const])("for %s stays below 4 times the file, even where times go back", async (name, bytes) => {
    const before = process.memoryUsage().arrayBuffers;
    const events = await readEvents(bytes, { format: name === "nmnist" ? "nmnist" : undefined, width: 1024, height: 1024 });
    // All that was taken since then, unless the collector came in between; the file is there already.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * bytes.length);
    expect(events.warnings).toEqual([expect.stringMatching(/order of time/)]);
  });

  const promise = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
    const changed = Uint8Array.from(bytes);
    new DataView(changed.buffer).setUint32(at, value, true);
    return changed;
  };
  const events = make(20, (i) => i);
  const lz4 = aedat4([events], { compression: 1 });
  const frame = Buffer.from(lz4).indexOf(Uint8Array.of(0x04, 0x22, 0x4d, 0x18));
  const plain = aedat3([{ events }]);
  const packet = Buffer.from(plain).indexOf("END-HEADER\r\n") + 12;
  const archive = zip({ "events.npy": structuredNpy(events) }, true);
  const size = Buffer.from(archive).indexOf(Uint8Array.of(0x50, 0x4b, 0x01, 0x02)) + 24;

  it.each([
    ["an LZ4 block of 2 GB that is stored as it is", promise(lz4, frame + 7, 0xfff0_0000)],
    ["an LZ4 block of 2 GB", promise(lz4, frame + 7, 0x7ff0_0000)],
    ["an AEDAT 3.1 packet of 2 000 000 000 events", promise(promise(plain, packet + 16, 2_000_000_000), packet + 20, 2_000_000_000)],
    ["an AEDAT 4 header of 4 GB", promise(lz4, 14, 0xffff_fff0)],
    ["a file of 4 GB in an archive of less", promise(archive, size, 0xffff_fff0)],
    ["an array of 2⁵² records", zip({ "events.npy": npy("'<i4'", `(${2 ** 52},)`, new Uint8Array(8)) })],
  ])("is not taken for what is promised: %s", async (_, bytes) => {
    const before = process.memoryUsage().arrayBuffers;
    const started = performance.now();
    const found = await attempt(bytes);
    if (found) expect(found.warnings).toEqual([expect.stringMatching(/truncated: 20 of the 2000000000 events/)]);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1e6);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
