// What nvcc's assembler makes of kernels: registers, spills, and instructions, counted in the binary. Needs nvcc, no GPU.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const INSTRUCTION_BYTES = 16;
const OPCODE = 0xfffn;
const NOP = 0x918n;
const BRANCH = 0x947n;

/** A population that any vector width divides and that fills an H100, and its multiprocessors. */
const NEURONS = 1 << 20;
const MULTIPROCESSORS = 132;
/** Steps of one turn of the forward kernel's loop. */
const UNROLLED = 4;

/**
 * @typedef {object} Case
 * @property {string} neuron
 * @property {"forward" | "backward"} direction
 * @property {"f32" | "bf16"} elements
 * @property {number} T
 */

/**
 * @typedef {Pick<typeof import("spikefold"), "lif" | "neurons" | "plan" | "surrogate"> & Pick<typeof import("../dist/codegen/cuda/emit.js"), "emitCudaKernels">
 *   & Pick<typeof import("../dist/device/cuda/shape.js"), "shapeOf"> & { prelude: string }} Parts
 */

/**
 * @typedef {object} Assembled
 * @property {number} registers of a thread
 * @property {number} spilledBytes that a thread stores because they do not fit into registers
 * @property {number} instructions of the whole kernel
 * @property {number} loop instructions of its longest loop; 0 where there is none
 */

/** The build of nvcc, such as "cuda_13.0.r13.0/compiler.36424714_0". */
export const nvccBuild = async () => (await run("nvcc", ["--version"])).stdout.trim().split("\n").at(-1)?.replace("Build ", "") ?? "";

/**
 * Compiles CUDA C++ for compute capability 9.0 and counts.
 * @param {string} source
 * @returns {Promise<Map<string, Assembled>>} by the names of the kernels
 */
async function assemble(source) {
  const folder = await mkdtemp(join(tmpdir(), "spikefold-sass-"));
  try {
    const [file, cubin] = [join(folder, "kernels.cu"), join(folder, "kernels.cubin")];
    await writeFile(file, source);
    const { stderr } = await run("nvcc", ["-arch=sm_90", "--fmad=false", "-cubin", "-Xptxas", "-v", "-o", cubin, file], { maxBuffer: 1 << 26 });
    const code = codeOf(await readFile(cubin));
    return new Map(stderr.split("Compiling entry function").slice(1).map((text) => {
      const name = /'(\w+)'/.exec(text)?.[1] ?? "";
      const registers = Number(/Used (\d+) registers/.exec(text)?.[1]);
      const spilledBytes = Number(/(\d+) bytes spill stores/.exec(text)?.[1]);
      return [name, { registers, spilledBytes, ...countCode(/** @type {BigUint64Array} */ (code.get(name))) }];
    }));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/**
 * The kernel that a launch of a million neurons on an H100 takes.
 * @param {Case} wanted
 * @param {Parts} parts of the library, from its build or from its sources
 */
export function kernelOf({ neuron: name, direction, elements, T }, { lif, neurons, plan, surrogate, emitCudaKernels, shapeOf }, suffix = "") {
  const neuron = name === "lif, atan" ? lif({ surrogate: surrogate.atan() }) : neurons[name]();
  const plans = plan({ neuron, steps: T, elements, outputs: { spike: elements }, gradients: neuron.inputs });
  const shape = shapeOf(plans, direction, NEURONS, T, MULTIPROCESSORS);
  return { shape, chunk: plans.chunk, text: emitCudaKernels(plans, { ...shape, suffix }, [direction]).join("\n"), plans };
}

/**
 * Compiles kernels and counts.
 * @param {readonly Case[]} wanted
 * @param {Parts} parts
 */
export async function count(wanted, parts) {
  const kernels = wanted.map((each, i) => kernelOf(each, parts, `_${i}`));
  const found = await assemble([parts.prelude, ...kernels.map(({ text }) => text)].join("\n"));
  return wanted.map((each, i) => {
    const { shape: { vector, block, resident, steps }, chunk } = kernels[i];
    const { registers, spilledBytes, instructions, loop } = /** @type {Assembled} */ (found.get(`${each.direction}_${i}`));
    const [counted, over] = each.direction === "forward" ? [loop, UNROLLED] : steps === undefined ? [loop, chunk] : [instructions, steps];
    return { ...each, neuronsPerThread: vector, block, resident, registers, spilledBytes, instructions, perNeuronStep: Number((counted / over / vector).toFixed(1)) };
  });
}

/**
 * The kernels' sections of an ELF file.
 * @param {Buffer} elf
 * @returns {Map<string, BigUint64Array>} two words an instruction
 */
function codeOf(elf) {
  const headers = Number(elf.readBigUInt64LE(40));
  const [bytes, sections, names] = [58, 60, 62].map((at) => elf.readUInt16LE(at));
  const section = (/** @type {number} */ n) => {
    const at = headers + n * bytes;
    return { name: elf.readUInt32LE(at), begin: Number(elf.readBigUInt64LE(at + 24)), size: Number(elf.readBigUInt64LE(at + 32)) };
  };
  const texts = section(names).begin;
  const found = new Map();
  for (let n = 0; n < sections; n++) {
    const { name, begin, size } = section(n);
    const text = elf.toString("latin1", texts + name, elf.indexOf(0, texts + name));
    if (text.startsWith(".text.")) found.set(text.slice(".text.".length), new BigUint64Array(elf.buffer.slice(elf.byteOffset + begin, elf.byteOffset + begin + size)));
  }
  return found;
}

/**
 * Instructions but for the padding at the end, and those between a branch back and where it leads.
 * @param {BigUint64Array} words
 */
function countCode(words) {
  const code = words.filter((_, i) => i % 2 === 0);
  const branches = code.filter((word) => (word & OPCODE) === BRANCH);
  return { instructions: code.filter((word) => (word & OPCODE) !== NOP).length, loop: Math.max(0, ...Array.from(branches, backwards).filter((length) => length > 1)) };
}

/**
 * How many instructions a branch goes back. Its distance is in units of 4 bytes, the low 8 bits from bit 16 on, the others from bit 34 on.
 * @param {bigint} word
 */
const backwards = (word) => -(Number(BigInt.asIntN(30, word >> 34n)) * 256 + Number((word >> 16n) & 0xffn)) * 4 / INSTRUCTION_BYTES;
