import { fileFormatError } from "../idx.ts";

/**
 * Reads what our formats need of FlatBuffers (https://flatbuffers.dev/internals/): a buffer with its size in front, one table, its numbers, texts and
 * vectors. Every offset is checked before it is followed.
 */
export class FlatBuffer {
  readonly #view: DataView;
  readonly #fail: (at: number, problem: string) => Error;
  /** The four characters that name what is in it. */
  readonly identifier: string;
  readonly #table: number;

  /**
   * @param bytes from the size on
   * @param offset of `bytes` in the file, for errors
   */
  constructor(file: string, bytes: Uint8Array, offset: number) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fail = (at, problem) => fileFormatError(file, offset + at, `found a malformed FlatBuffer: ${problem}`);
    this.#expect(0, 12, "its size, root and identifier");
    this.identifier = String.fromCharCode(...bytes.subarray(8, 12));
    this.#table = this.#follow(4, "its root");
    this.#expect(this.#table, 4, "its table");
  }

  int32(field: number, otherwise: number): number {
    const at = this.#place(field, 4);
    return at === undefined ? otherwise : this.#view.getInt32(at, true);
  }

  int64(field: number, otherwise: number): number {
    const at = this.#place(field, 8);
    return at === undefined ? otherwise : int64(this.#view, at);
  }

  text(field: number): string {
    const { at, count } = this.vector(field, 1);
    return new TextDecoder().decode(new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, count));
  }

  /** Where the elements of a vector start, and how many of `size` bytes there are. None if the field is absent. */
  vector(field: number, size: number): { at: number; count: number } {
    const place = this.#place(field, 4);
    if (place === undefined) return { at: 0, count: 0 };
    const at = this.#follow(place, "a vector");
    this.#expect(at, 4, "a vector's length");
    const count = this.#view.getUint32(at, true);
    this.#expect(at + 4, count * size, `a vector of ${count} elements`);
    return { at: at + 4, count };
  }

  /** The place of a field of the table, by its vtable. */
  #place(field: number, size: number): number | undefined {
    const vtable = this.#table - this.#view.getInt32(this.#table, true);
    this.#expect(vtable, 4, "its vtable");
    const entry = 4 + 2 * field;
    if (entry + 2 > this.#view.getUint16(vtable, true)) return undefined;
    this.#expect(vtable + entry, 2, "its vtable");
    const relative = this.#view.getUint16(vtable + entry, true);
    if (relative === 0) return undefined;
    this.#expect(this.#table + relative, size, `field ${field}`);
    return this.#table + relative;
  }

  #follow(at: number, what: string): number {
    this.#expect(at, 4, what);
    return at + this.#view.getUint32(at, true);
  }

  #expect(at: number, size: number, what: string): void {
    if (at < 0 || at + size > this.#view.byteLength) throw this.#fail(Math.min(Math.max(at, 0), this.#view.byteLength), `${what} lies beyond its end`);
  }
}

/** Exact up to 2⁵³. */
export const int64 = (view: DataView, at: number): number => view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
