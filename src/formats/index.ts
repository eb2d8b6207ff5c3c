export { importTorch } from "./torch/import.ts";
export type { ImportTorchOptions, TorchImport } from "./torch/import.ts";
export { encodeTorch, exportTorch } from "./torch/export.ts";
export type { EncodeTorchOptions, ExportTorchOptions } from "./torch/export.ts";
export type { TensorFormat } from "./torch/file.ts";
export type { ModuleNames } from "./torch/names.ts";
export type { TorchLibrary } from "./torch/slots.ts";
export { encodeOnnx, exportOnnx } from "./onnx/export.ts";
