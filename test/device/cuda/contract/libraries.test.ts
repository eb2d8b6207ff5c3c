import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { cublasLtConstants as Lt, cublasLtFunctions, CublasLt } from "../../../../src/device/cuda/cublasLt.ts";
import type { ConvolutionProblem } from "../../../../src/device/cuda/convolutionProblem.ts";
import { Cudnn } from "../../../../src/device/cuda/cudnn.ts";
import { DeviceError } from "../../../../src/errors.ts";
import { sample } from "../../../sample.ts";
import { describeWithWheels, withoutDevice } from "./wheels.ts";

describeWithWheels("cuBLASLt of NVIDIA's wheel", () => {
  const driver = withoutDevice();

  it("is found with every entry point, and gives back what descriptors were set to", () => {
    const { path, version, raw } = CublasLt.open(driver);
    expect(path).toContain(driver.where.env.VIRTUAL_ENV);
    expect(version).toMatch(/^13\.\d+\.\d+$/);
    const get = driver.koffi.load(path).func<(...args: unknown[]) => number>("int cublasLtMatmulDescGetAttribute(uint64_t operation, int attribute, void *value, size_t bytes, void *written)");
    const word = new BigUint64Array(1);
    expect(raw.cublasLtMatmulDescCreate(word, Lt.CUBLAS_COMPUTE_32F_FAST_TF32, Lt.CUDA_R_32F)).toBe(0);
    const [operation] = word;
    const attributes: [number, Int32Array | BigUint64Array][] = [
      [Lt.CUBLASLT_MATMUL_DESC_TRANSA, Int32Array.of(Lt.CUBLAS_OP_T)], [Lt.CUBLASLT_MATMUL_DESC_EPILOGUE, Int32Array.of(Lt.CUBLASLT_EPILOGUE_BIAS)],
      [Lt.CUBLASLT_MATMUL_DESC_BIAS_POINTER, BigUint64Array.of(0x7f00_1234_5600n)], [Lt.CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, Int32Array.of(Lt.CUDA_R_16BF)],
    ];
    for (const [attribute, value] of attributes) {
      expect(raw.cublasLtMatmulDescSetAttribute(operation, attribute, value, value.byteLength)).toBe(0);
      const read = value instanceof Int32Array ? new Int32Array(1) : new BigUint64Array(1);
      expect(get(operation, attribute, read, read.byteLength, new BigUint64Array(1))).toBe(0);
      expect(read).toEqual(value);
    }
    expect(raw.cublasLtMatmulDescSetAttribute(operation, Lt.CUBLASLT_MATMUL_DESC_EPILOGUE, new Int32Array(2), 8)).toBe(Lt.CUBLAS_STATUS_INVALID_VALUE);
    expect(raw.cublasLtMatmulDescDestroy(operation)).toBe(0);
    expect(raw.cublasLtMatmulPreferenceCreate(word)).toBe(0);
    expect(raw.cublasLtMatmulPreferenceSetAttribute(word[0], Lt.CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, BigUint64Array.of(1n << 25n), 8)).toBe(0);
    expect(raw.cublasLtMatmulPreferenceDestroy(word[0])).toBe(0);
    expect(Object.keys(raw)).toEqual(Object.keys(cublasLtFunctions));
  });

  it("takes the descriptors of a product, up to the handle that needs a device", () => {
    const library = CublasLt.open(driver);
    const plan = () => library.plan({ m: 64, n: 512, k: 784, type: "bf16", output: "f32", transposeA: true, epilogue: "bias" });
    expect(plan).toThrow(DeviceError);
    expect(plan).toThrow(/cublasLtCreate failed with CUBLAS_STATUS_NOT_INITIALIZED \(1\).*nvidia-smi/);
  });
});

/** A device as cuDNN itself describes it, where one is (CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION of a DEVICEPROP descriptor): with it, plans are made without a device. */
const description = process.env.SPIKEFOLD_CUDNN_DEVICE;
const withDescription = (name: string, test: () => void): void =>
  it.skipIf(description === undefined)(`${name}${description === undefined ? " (skipped: SPIKEFOLD_CUDNN_DEVICE names no file with cuDNN's description of a device)" : ""}`, test);

describeWithWheels("cuDNN of NVIDIA's wheel", () => {
  const driver = withoutDevice();
  const open = (workspaceBytes?: number) => Cudnn.open(driver, { workspaceBytes, deviceless: description && readFileSync(description, "utf8") });

  /** The convolutions of residual networks, and small odd ones. */
  const layers: Pick<ConvolutionProblem, "x" | "w" | "padding" | "stride">[] = [
    { x: [448, 224, 224, 3], w: [64, 7, 7, 3], padding: [3, 3], stride: [2, 2] },
    { x: [448, 56, 56, 64], w: [64, 3, 3, 64], padding: [1, 1], stride: [1, 1] },
    { x: [448, 56, 56, 64], w: [128, 3, 3, 64], padding: [1, 1], stride: [2, 2] },
    { x: [448, 56, 56, 64], w: [128, 1, 1, 64], padding: [0, 0], stride: [2, 2] },
    { x: [448, 7, 7, 512], w: [512, 3, 3, 512], padding: [1, 1], stride: [1, 1] },
    { x: [3200, 28, 28, 1], w: [64, 3, 3, 1], padding: [1, 1], stride: [1, 1] },
    { x: [3, 5, 6, 2], w: [8, 3, 2, 2], padding: [1, 0], stride: [1, 2] },
  ];
  const precisions = [{ type: "f32" }, { type: "f32", tf32: true }, { type: "bf16" }] as const;
  const problems: ConvolutionProblem[] = layers.flatMap((layer) => precisions.flatMap((precision) => (["forward", "data", "filter"] as const).map((kind) => ({ ...layer, ...precision, kind }))));

  it("is found with every entry point, and is of version 9", () => {
    const library = open();
    expect(library.path).toContain(driver.where.env.VIRTUAL_ENV);
    expect(library.version).toMatch(/^9\.\d+\.\d+$/);
    library.dispose();
  });

  withDescription("plans convolutions in every direction and precision for a device that is only described", () => {
    const library = open();
    for (const problem of sample(problems, 20)) {
      const plan = library.plan(problem);
      expect(plan.deterministic, JSON.stringify(problem)).toBe(true);
      expect(plan.workspaceBytes).toBeLessThanOrEqual(256 * 2 ** 20);
      expect(library.plan({ ...problem })).toBe(plan);
    }
    library.dispose();
  });

  withDescription("takes the next engine where one needs more workspace than it may", () => {
    const problem: ConvolutionProblem = { ...layers[4], kind: "forward", type: "f32" };
    const [free, bounded] = [open(), open(2 ** 20)];
    const wanted = free.plan(problem).workspaceBytes;
    expect(wanted).toBeGreaterThan(2 ** 20);
    expect(bounded.plan(problem).workspaceBytes).toBeLessThanOrEqual(2 ** 20);
    for (const library of [free, bounded]) library.dispose();
  });

  withDescription("says which shape it has no engine for, and why cuDNN refused", () => {
    const library = open();
    expect(() => library.plan({ ...layers[1], kind: "filter", type: "bf16", output: "f32" })).toThrow(/has no engine for the convolution .*"filter".*"bf16"/);
    expect(() => library.plan({ ...layers[1], w: [64, 3, 3, 63], kind: "forward", type: "f32" })).toThrow(/CUDNN_STATUS_(BAD_PARAM|NOT_SUPPORTED)\w* \(\d+\)\.\n/);
    library.dispose();
  });

  it("has no handle without a device, and says why", () => {
    const plan = () => Cudnn.open(driver).plan(problems[0]);
    expect(plan).toThrow(DeviceError);
    expect(plan).toThrow(/cudnnCreate failed with CUDNN_STATUS_\w+ \(\d+\)/);
  });

  it("is passed over where it is for a newer CUDA than the driver", () => {
    expect(() => Cudnn.open({ ...driver, version: { major: 12, minor: 4 } } as typeof driver)).toThrow(/cuDNN 9\.\d+\.\d+ is for CUDA 13, the driver for CUDA 12/);
  });
});
