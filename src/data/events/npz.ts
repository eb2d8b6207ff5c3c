import { fileFormatError, type NamedBytes } from "../idx.ts";
import { type Found, room } from "./found.ts";
import { type NpyColumn, parseNpy } from "./npy.ts";
import { readZipEntry, type ZipEntry, zipEntries } from "./zip.ts";

const NAMES = {
  x: ["x", "xs"], y: ["y", "ys"], t: ["t", "ts", "timestamp", "timestamps", "time"], p: ["p", "ps", "pol", "polarity", "polarities", "on"],
};
type Column = keyof typeof NAMES;
const COLUMNS = Object.keys(NAMES) as Column[];

/** An archive of NumPy's: one structured array with fields x, y, t and p, or an array for each. Times are taken as microseconds, polarities > 0 as 1. */
export async function readNpz(source: NamedBytes): Promise<Found> {
  const entries = zipEntries(source);
  const columns = separate(entries) ? await readSeparate(source, entries) : await readStructured(source, entries);
  const count = columns.t.count;
  const { file } = source;
  for (const name of COLUMNS) {
    if (columns[name].count !== count) throw fileFormatError(file, columns[name].entry.offset, `${columns[name].entry.name} has ${columns[name].count} values of ${name}, but there are ${count} of t`);
  }
  const found = room(count);
  const { x, y, t, p } = columns;
  for (let i = 0; i < count; i++) {
    found.x[i] = coordinate(file, x, i);
    found.y[i] = coordinate(file, y, i);
    found.t[i] = t.at(i);
    found.p[i] = p.at(i) > 0 ? 1 : 0;
    if (!Number.isFinite(found.t[i])) throw fileFormatError(file, t.entry.offset, `${t.entry.name}: the time of event ${i} is ${found.t[i]}, expected a finite number`);
  }
  return found;
}

interface Located extends NpyColumn {
  entry: ZipEntry;
}

const separate = (entries: readonly ZipEntry[]): boolean => COLUMNS.every((column) => entryOf(entries, column) !== undefined);

const entryOf = (entries: readonly ZipEntry[], column: Column): ZipEntry | undefined => entries.find(({ name }) => NAMES[column].includes(name.replace(/\.npy$/, "")));

async function readSeparate(source: NamedBytes, entries: readonly ZipEntry[]): Promise<Record<Column, Located>> {
  const columns: Partial<Record<Column, Located>> = {};
  for (const name of COLUMNS) {
    const entry = entryOf(entries, name)!;
    const { column } = await readArray(source, entry);
    if (!column) throw fileFormatError(source.file, entry.offset, `${entry.name} holds records, expected one number for each event`);
    columns[name] = { ...column, entry };
  }
  return columns as Record<Column, Located>;
}

async function readStructured(source: NamedBytes, entries: readonly ZipEntry[]): Promise<Record<Column, Located>> {
  for (const entry of entries) {
    if (!entry.name.endsWith(".npy")) continue;
    // Archives hold other arrays too, a label for example.
    const { fields } = entries.length === 1 ? await readArray(source, entry) : await readArray(source, entry).catch(() => ({ fields: new Map<string, NpyColumn>() }));
    const found = COLUMNS.map((column) => NAMES[column].map((name) => fields.get(name)).find((field) => field !== undefined));
    if (found.every((field) => field !== undefined)) return Object.fromEntries(COLUMNS.map((column, i) => [column, { ...found[i]!, entry }])) as Record<Column, Located>;
  }
  throw fileFormatError(source.file, 0, `found ${entries.map(({ name }) => name).join(", ") || "nothing"} in the archive, expected arrays x, y, t and p, or one structured array with these fields`);
}

const readArray = async (source: NamedBytes, entry: ZipEntry) => parseNpy({ file: `${source.file}, ${entry.name}`, bytes: await readZipEntry(source, entry) });

function coordinate(file: string, column: Located, i: number): number {
  const value = column.at(i);
  if (!(value >= 0 && value <= 0xffff && Number.isInteger(value))) {
    throw fileFormatError(file, column.entry.offset, `${column.entry.name}: event ${i} lies at ${value}, expected a whole number in 0 … 65535`);
  }
  return value;
}
