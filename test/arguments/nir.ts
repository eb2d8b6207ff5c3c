import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeNir, exportNir, importNir } from "../../src/index.ts";
import { atan } from "../../src/neuron/surrogate.ts";
import { rate } from "../../src/nn/index.ts";
import { device, model } from "./kit.ts";
import { argument, choice, count, flag, options, positive, row, type Row } from "./table.ts";

const directory = mkdtempSync(join(tmpdir(), "spikefold-nir-"));
export const removeNirFiles = (): void => rmSync(directory, { recursive: true });

const { bytes } = await encodeNir(model, { dt: 1e-3 });
const given = argument(() => model);
const writing = options({ dt: positive, h5wasm: argument(() => undefined) }, "dt");

export const nir: Record<string, Row> = {
  importNir: row(importNir, {
    source: argument(() => bytes),
    options: options({
      device: argument(() => device), dt: argument(() => 1e-3, "number", "fraction"), steps: count, reset: choice("soft"), resetDelay: flag, surrogate: argument(() => atan()), readout: argument(() => rate()), precision: choice("float32"),
      h5wasm: argument(() => undefined),
    }, "device", "dt", "steps"),
  }),
  encodeNir: row(encodeNir, { model: given, options: writing }),
  exportNir: row(exportNir, { model: given, path: argument(() => join(directory, "net.nir"), "text"), options: writing }),
};
