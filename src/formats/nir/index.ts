export { importNir } from "./import.ts";
export type { ImportedNir, ImportNirOptions } from "./import.ts";
export { encodeNir, exportNir } from "./export.ts";
export type { ExportedNir, ExportNirOptions } from "./export.ts";
export type { H5wasm } from "./tree.ts";
