export { importNir } from "./import.ts";
export type { ImportedNir, ImportNirOptions } from "./import.ts";
export type { H5wasm } from "./tree.ts";
