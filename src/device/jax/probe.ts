import { numpy as np } from "@jax-js/jax";

/**
 * jax-js chooses its memory when it is loaded, and whether kernels share it by whether there are Workers when it compiles. Where a program loads
 * jax-js before spikefold, the Workers come too late: its memory is not shared, and a kernel fails to link. Then it has to do without them.
 */
try {
  np.array([1, 2, 3], { device: "wasm" }).mul(7.25).dataSync();
} catch (error) {
  if (!(error instanceof WebAssembly.LinkError)) throw error;
  Reflect.deleteProperty(globalThis, "Worker");
}
