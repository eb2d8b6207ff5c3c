import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeOnnx, encodeTorch, exportOnnx, exportTorch, importTorch } from "../../src/index.ts";
import { makeModel, model } from "./kit.ts";
import { argument, called, choice, flag, options, row, type Row, text } from "./table.ts";

const directory = mkdtempSync(join(tmpdir(), "spikefold-formats-"));
export const removeFiles = (): void => rmSync(directory, { recursive: true });

const aModel = argument(makeModel);
const onnxPath = argument(() => join(directory, "net.onnx"), "text");
const path = argument(() => join(directory, "net.safetensors"));
const names = argument(() => ["0"], "list of texts", "object", "bare object", "promise", "date");
const bytes = await encodeTorch(model, { to: "torch" });

export const formats: Record<string, Row> = {
  importTorch: row(importTorch, { model: aModel, source: called(argument(() => bytes), "cannot be read"), options: options({ from: choice("torch"), names, prefix: argument(() => "", "text"), strict: flag, name: text }, "from") }),
  exportTorch: row(exportTorch, { model: aModel, path, options: options({ to: choice("torch"), names, prefix: text }, "to") }),
  encodeTorch: row(encodeTorch, { model: aModel, options: options({ to: choice("torch"), names, prefix: text, format: choice("npz") }, "to") }),
  exportOnnx: row(exportOnnx, { model: aModel, path: onnxPath }),
  encodeOnnx: row(encodeOnnx, { model: aModel }),
};
