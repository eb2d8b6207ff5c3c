// All that cuDNN offers for a convolution: by each of its heuristics, and every engine that it has, with channels last, and in f32 with channels first too.
import { cudnnConstants as C, CudnnError, descriptors, int64 } from "../../dist/device/cuda/cudnnBackend.js";
import { Descriptors, keepsPrecision, repeatsBits } from "../../dist/device/cuda/cudnnEngines.js";

/**
 * @typedef {import("../../dist/device/cuda/cudnn.js").Cudnn} Cudnn
 * @typedef {import("../../dist/device/cuda/cudnn.js").Operands} Operands
 * @typedef {import("../../dist/device/cuda/cudnnBackend.js").CudnnBackend} CudnnBackend
 * @typedef {import("../../dist/device/cuda/convolutionProblem.js").ConvolutionProblem} ConvolutionProblem
 * @typedef {{
 *   from: string, layout: "last" | "first", index: number, notes: readonly number[], deterministic: boolean, precise: boolean, rank?: number,
 *   workspaceMiB: number, ms?: number, refused?: string, chosen: string[],
 * }} Row rank: its place among those that the library considers
 * @typedef {{ row: Row, run?: (operands: Operands, workspace: number, stream: number) => void, end: () => void }} Timed
 */

/** CUDNN_NUMERICAL_NOTE_…, by number. */
export const noteNames = ["tensor cores", "rounds inputs", "reduced sums", "FFT", "nondeterministic", "Winograd", "Winograd 4×4", "Winograd 6×6", "Winograd 13×13", "strict NaN"];

/** @type {[name: string, mode: number][]} */
const modes = [["mode A", C.CUDNN_HEUR_MODE_A], ["fallback", C.CUDNN_HEUR_MODE_FALLBACK], ["mode B", 1]];
const ENGINE_COUNT = 802;
const OPERATION_GRAPH = 1300;

export class CandidateList {
  /** @param {Cudnn} cudnn @param {ConvolutionProblem} problem */
  constructor(cudnn, problem) {
    this.cudnn = cudnn;
    this.problem = problem;
    this.made = new Descriptors(cudnn.backend);
  }

  /** @param {boolean} others those that no heuristics name, rather than those that they do @returns {Generator<Timed>} */
  *all(others) {
    yield* this.#of("last", others);
    if (this.problem.type === "f32") yield* this.#of("first", others);
  }

  dispose() {
    this.made[Symbol.dispose]();
  }

  /** @param {"last" | "first"} layout @param {boolean} others @returns {Generator<Timed>} */
  *#of(layout, others) {
    const { cudnn: { engines, backend }, problem, made } = this;
    const graph = engines.graph(layout === "last" ? made.make : channelsFirst(made.make), problem);
    const found = modes.flatMap(([from, mode]) => [...engines.candidates(made, graph, [mode])].map((candidate) => ({ from, ...candidate })));
    // As the library ranks them: those that repeat their bits first.
    const ours = found.filter(({ from, notes }) => from !== "mode B" && keepsPrecision(problem, notes));
    const ranked = layout === "first" ? [] : [...ours.filter(({ notes }) => repeatsBits(notes)), ...ours.filter(({ notes }) => !repeatsBits(notes))];
    const seen = new Set(found.map(({ index }) => index));
    for (const each of others ? this.#others(graph, seen) : found) {
      const { from, index, notes, configuration } = each;
      const rank = ranked.findIndex((candidate) => candidate === each);
      /** @type {Row} */
      const row = { from, layout, index, notes, deterministic: repeatsBits(notes), precise: keepsPrecision(problem, notes), rank: rank < 0 ? undefined : rank, workspaceMiB: 0, chosen: [] };
      try {
        const plan = engines.plan(configuration);
        row.workspaceMiB = plan.workspaceBytes / 2 ** 20;
        yield { row, run: (operands, workspace, stream) => this.cudnn.execute(plan, operands, workspace, stream), end: () => backend.destroy(plan.descriptor) };
      } catch (error) {
        row.refused = /** @type {Error} */ (error).message.split("\n")[0];
        yield { row, end: () => {} };
      }
    }
  }

  /** Engines that no heuristics named, with their own defaults. @param {number} graph @param {Set<number>} seen */
  *#others(graph, seen) {
    const { cudnn: { backend, engines }, made } = this;
    const count = new BigInt64Array(1);
    if (backend.raw.cudnnBackendGetAttribute(graph, ENGINE_COUNT, C.CUDNN_TYPE_INT64, 1, new BigInt64Array(1), count) !== 0) return;
    for (let index = 0; index < Number(count[0]); index++) {
      if (seen.has(index)) continue;
      const engine = made.empty("CUDNN_BACKEND_ENGINE_DESCRIPTOR");
      const attributes = [[OPERATION_GRAPH, ...descriptors(graph)], [C.CUDNN_ATTR_ENGINE_GLOBAL_INDEX, ...int64(index)]];
      try {
        for (const [name, type, value] of attributes) backend.call("cudnnBackendSetAttribute", engine, name, type, 1, value);
        backend.call("cudnnBackendFinalize", engine);
        const configuration = made.make("CUDNN_BACKEND_ENGINECFG_DESCRIPTOR", { CUDNN_ATTR_ENGINECFG_ENGINE: descriptors(engine) });
        yield { from: "by index", configuration, ...engines.describe(configuration) };
      } catch (error) {
        // Most engines are for other graphs.
        if (!(error instanceof CudnnError)) throw error;
      }
    }
  }
}

/** Descriptors of tensors with their channels first. @param {CudnnBackend["make"]} make @returns {CudnnBackend["make"]} */
function channelsFirst(make) {
  return (type, attributes) => {
    const dimensions = attributes.CUDNN_ATTR_TENSOR_DIMENSIONS;
    if (!dimensions) return make(type, attributes);
    const [, c, h, w] = Array.from(/** @type {BigInt64Array} */ (dimensions[1]), Number);
    return make(type, { ...attributes, CUDNN_ATTR_TENSOR_STRIDES: int64(c * h * w, h * w, w, 1) });
  };
}
