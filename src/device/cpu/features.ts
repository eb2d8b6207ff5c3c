import { inNode, nodeModule } from "../../runtime.ts";

/**
 * (module (func (export "f") (param f32 f32 f32) (result f32)
 *   (f32x4.extract_lane 0 (f32x4.relaxed_madd (f32x4.splat (local.get 0)) (f32x4.splat (local.get 1)) (f32x4.splat (local.get 2))))))
 */
const RELAXED_MADD = Uint8Array.of(
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,
  0x01, 0x08, 0x01, 0x60, 0x03, 0x7d, 0x7d, 0x7d, 0x01, 0x7d,
  0x03, 0x02, 0x01, 0x00,
  0x07, 0x05, 0x01, 0x01, 0x66, 0x00, 0x00,
  0x0a, 0x16, 0x01, 0x14, 0x00, 0x20, 0x00, 0xfd, 0x13, 0x20, 0x01, 0xfd, 0x13, 0x20, 0x02, 0xfd, 0x13, 0xfd, 0x85, 0x02, 0xfd, 0x1f, 0x00, 0x0b,
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

/** Whether relaxed multiply-adds round once here: without a machine instruction for it, engines round twice, as portable code does. */
export function roundsOnce(): boolean {
  const { f } = new WebAssembly.Instance(new WebAssembly.Module(RELAXED_MADD)).exports as unknown as { f(a: number, b: number, c: number): number };
  // a² = 1 + 2⁻¹¹ + 2⁻²⁴, of which f32 keeps all but the last.
  const a = 1 + 2 ** -12;
  return f(a, a, -(1 + 2 ** -11)) !== 0;
}

/** The module of dense kernels, built with relaxed SIMD or without. */
export async function loadDense(relaxed: boolean): Promise<Uint8Array<ArrayBuffer>> {
  const base64 = relaxed ? (await import("./generated/denseRelaxed.ts")).denseRelaxed : (await import("./generated/dense.ts")).dense;
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
