import type { CpuContext } from "./context.ts";

/** Bytes that make a thread's share worth its hand-over: some tens of microseconds' work. */
const SHARE_BYTES = 1 << 20;
/** Rows of an item of the kernels. */
const BLOCK = 16;

/** Rows in time, and the same rows with chunks of time side by side; addresses and lengths in bytes. */
export interface Folding {
  plain: number;
  /** From one row to the next. */
  plainRow: number;
  folded: number;
  foldedRow: number;
  chunks: number;
  /** From one chunk to the next in `plain`. Default: chunks follow each other. */
  chunkStep?: number;
  /** Of each chunk. */
  rows: number;
  /** Of a row. */
  bytes: number;
}

/** Lays chunks of time side by side, with zeros where a folded row has more bytes than the chunks; or puts them one after the other again. */
export function fold(device: CpuContext, direction: "fold" | "unfold", { plain, plainRow, folded, foldedRow, chunks, rows, bytes, chunkStep = rows * plainRow }: Folding): void {
  if (rows <= 0) return;
  const blocks = Math.ceil(rows / BLOCK);
  const shares = Math.max(1, Math.min(device.pool.threads, Math.floor((rows * foldedRow) / SHARE_BYTES)));
  device.pool.run(device.denseModule, direction, blocks, Math.ceil(blocks / shares), [plain, plainRow, folded, foldedRow, chunks, chunkStep, rows, bytes]);
}
