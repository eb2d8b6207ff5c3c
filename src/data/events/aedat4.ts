import { fileFormatError, type NamedBytes } from "../idx.ts";
import { FlatBuffer, int64 } from "./flatbuffer.ts";
import { first, type Found, room, type SensorSize, truncated } from "./found.ts";
import { decompressLz4 } from "./lz4.ts";

const VERSION_LINE = 14;
const PACKET_HEADER = 8;
const EVENT = 16;
const COMPRESSIONS = ["none", "LZ4", "LZ4 (high)", "ZSTD", "ZSTD (high)"];

/**
 * AEDAT 4, of DV (https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-4.0.html): a FlatBuffer that names the streams, then packets,
 * each a FlatBuffer that may be compressed. Of several streams of events the first is read. Times are Unix times in microseconds.
 */
export function readAedat4({ file, bytes }: NamedBytes): Found {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < VERSION_LINE + 4) throw truncated(file, bytes, "its header");
  const start = VERSION_LINE + 4 + view.getUint32(VERSION_LINE, true);
  if (start > bytes.length) throw truncated(file, bytes, "its header");
  const header = new FlatBuffer(file, bytes.subarray(VERSION_LINE, start), VERSION_LINE);
  if (header.identifier !== "IOHE") throw fileFormatError(file, VERSION_LINE + 8, `found a FlatBuffer of ${JSON.stringify(header.identifier)}, expected "IOHE"`);
  const compression = header.int32(0, 0);
  if (compression < 0 || compression > 2) {
    throw fileFormatError(file, VERSION_LINE, `found the compression ${COMPRESSIONS[compression] ?? compression}, expected none or LZ4: record or convert it with DV's output module set to LZ4 or none`);
  }
  const streams = eventStreams(header.text(2));
  if (streams.length === 0) throw fileFormatError(file, VERSION_LINE, "the header names no stream of events (EVTS)");
  const warnings = streams.length > 1 ? [`${file} has ${streams.length} streams of events: read stream ${streams[0].id}`] : [];

  const packets: Found[] = [];
  const tablePosition = header.int64(1, -1);
  const end = tablePosition < start || tablePosition > bytes.length ? bytes.length : tablePosition;
  for (let at = start; at < end; ) {
    const size = end - at < PACKET_HEADER ? Infinity : view.getInt32(at + 4, true);
    if (size < 0) throw fileFormatError(file, at + 4, `found a packet of ${size} bytes`);
    const next = at + PACKET_HEADER + size;
    if (next > end) {
      warnings.push(`${file}, byte ${at}: the file is truncated: it ends within this packet, which was left out`);
      break;
    }
    if (view.getInt32(at, true) === streams[0].id) {
      const content = bytes.subarray(at + PACKET_HEADER, next);
      packets.push(readPacket(file, compression === 0 ? content : decompressLz4(file, content, at + PACKET_HEADER), at + PACKET_HEADER));
    }
    at = next;
  }
  return { ...joined(packets), warnings, size: streams[0].size };
}

/** A table with one vector of events: the time in 64 bits, x and y in 16, the polarity in a byte, and 3 bytes of padding. */
function readPacket(file: string, bytes: Uint8Array, offset: number): Found {
  const packet = new FlatBuffer(file, bytes, offset);
  if (packet.identifier !== "EVTS") throw fileFormatError(file, offset + 8, `found a packet of ${JSON.stringify(packet.identifier)} in a stream of events, expected "EVTS"`);
  const { at, count } = packet.vector(0, EVENT);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = room(count);
  for (let i = 0; i < count; i++) {
    const event = at + i * EVENT;
    found.t[i] = int64(view, event);
    found.x[i] = view.getUint16(event + 8, true);
    found.y[i] = view.getUint16(event + 10, true);
    found.p[i] = bytes[event + 12] ? 1 : 0;
  }
  return found;
}

function joined(packets: readonly Found[]): Found {
  const whole = room(packets.reduce((sum, { t }) => sum + t.length, 0));
  let at = 0;
  for (const { x, y, t, p } of packets) {
    whole.x.set(x, at);
    whole.y.set(y, at);
    whole.t.set(t, at);
    whole.p.set(p, at);
    at += t.length;
  }
  return first(whole, at);
}

interface Stream {
  id: number;
  size?: SensorSize;
}

/** The streams that the header's XML describes as events, each in a node that is named with its number; its node "info" has the sensor's size. */
function eventStreams(xml: string): Stream[] {
  const nodes: string[] = [];
  const streams = new Map<string, { type?: string; width?: number; height?: number }>();
  for (const [, close, name, key, value] of xml.matchAll(/<(?:(\/)node|node\b[^<>]*?\bname="([^"<>]*)"[^<>]*|attr\b[^<>]*?\bkey="([^"<>]*)"[^<>]*>([^<]*))/g)) {
    if (close) nodes.pop();
    else if (name !== undefined) nodes.push(name);
    else if (nodes[0] === "outInfo" && nodes.length > 1) {
      const stream = streams.get(nodes[1]) ?? {};
      if (key === "typeIdentifier" && nodes.length === 2) stream.type = value;
      if (key === "sizeX" && nodes[2] === "info") stream.width = Number(value);
      if (key === "sizeY" && nodes[2] === "info") stream.height = Number(value);
      streams.set(nodes[1], stream);
    }
  }
  return [...streams].filter(([, { type }]) => type === "EVTS").map(([id, { width = 0, height = 0 }]) => ({
    id: Number(id), ...(isSize(width) && isSize(height) ? { size: [width, height] as const } : {}),
  })).sort((a, b) => a.id - b.id);
}

const isSize = (x: number): boolean => Number.isInteger(x) && x >= 1 && x <= 65536;
