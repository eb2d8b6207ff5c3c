/**
 * Neurons as modules of Python's libraries.
 * @module spikefold/python
 */
export { exportPython } from "../codegen/python/export.ts";
export type { ExportPythonOptions, PythonTarget } from "../codegen/python/export.ts";
