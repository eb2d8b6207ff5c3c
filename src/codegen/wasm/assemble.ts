import { SpikefoldError } from "../../errors.ts";

/** Turns WebAssembly text into a module's bytes. */
export type Assemble = (name: string, text: string) => Uint8Array;

/** Loads the assembler (WABT); the function it resolves to works synchronously. */
export async function loadAssembler(): Promise<Assemble> {
  const { default: wabt } = await import("wabt");
  const { parseWat } = await wabt();
  return (name, text) => {
    let module;
    try {
      module = parseWat(`${name}.wat`, text, { simd: true, threads: true });
      return module.toBinary({}).buffer;
    } catch (cause) {
      throw new SpikefoldError(`the WebAssembly text of ${name} does not assemble, which is a bug of spikefold: ${(cause as Error).message}`, { cause });
    } finally {
      module?.destroy();
    }
  };
}
