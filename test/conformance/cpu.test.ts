import { openDevice } from "../../src/device/index.ts";
import { describeConformance } from "./describe.ts";

describeConformance("the wasm kernels equal the interpreter", () => openDevice("cpu"), { exact: true });
