export { encodeNir, exportNir } from "./nir/export.ts";
export type { ExportedNir, ExportNirOptions } from "./nir/export.ts";
export { importNir } from "./nir/import.ts";
export type { ImportedNir, ImportNirOptions } from "./nir/import.ts";
export type { H5wasm } from "./nir/tree.ts";
