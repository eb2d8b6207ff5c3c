import { inNode, nodeModule } from "../../runtime.ts";

/** (module (func (param v128 v128 v128) (result v128) (f32x4.relaxed_madd (local.get 0) (local.get 1) (local.get 2)))) */
const RELAXED_MADD = Uint8Array.of(
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,
  0x01, 0x08, 0x01, 0x60, 0x03, 0x7b, 0x7b, 0x7b, 0x01, 0x7b,
  0x03, 0x02, 0x01, 0x00,
  0x0a, 0x0d, 0x01, 0x0b, 0x00, 0x20, 0x00, 0x20, 0x01, 0x20, 0x02, 0xfd, 0x85, 0x02, 0x0b,
);

/**
 * Whether modules may use relaxed SIMD (fused multiply-add) here. Node 20 has it behind a V8 flag, which this sets for the
 * process; it takes effect because modules are compiled later.
 */
export function relaxedSimd(): boolean {
  if (WebAssembly.validate(RELAXED_MADD)) return true;
  if (!inNode) return false;
  nodeModule("node:v8").setFlagsFromString("--experimental-wasm-relaxed-simd");
  return WebAssembly.validate(RELAXED_MADD);
}

/** The module of dense kernels, built with relaxed SIMD or without. */
export async function loadDense(relaxed: boolean): Promise<Uint8Array<ArrayBuffer>> {
  const base64 = relaxed ? (await import("./generated/denseRelaxed.ts")).denseRelaxed : (await import("./generated/dense.ts")).dense;
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
