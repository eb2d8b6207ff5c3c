import { beforeAll, describe } from "vitest";
import { library, openCuda, useStandIn } from "../device/cuda/standIn.ts";
import { describeConformance } from "./describe.ts";

describe.skipIf(!library)(`on the stand-in for CUDA${library ? "" : " (skipped: there is no g++ to build it)"}`, () => {
  beforeAll(useStandIn);
  // Each length compiles kernels of its own.
  describeConformance("the CUDA kernels equal the interpreter", () => openCuda(), { exact: true, elements: ["bf16", "f16"], lengths: [33, 100] });
});
