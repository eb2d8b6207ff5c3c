import wabt from "wabt";

/** Assembles kernels for tests: the functions of a module that imports the shared memory. */
export async function assemble(functions: string): Promise<Uint8Array> {
  const { parseWat } = await wabt();
  const text = `(module (import "env" "memory" (memory 1 65536 shared)) ${functions})`;
  const module = parseWat("test.wat", text, { threads: true, simd: true });
  try {
    return module.toBinary({}).buffer;
  } finally {
    module.destroy();
  }
}
