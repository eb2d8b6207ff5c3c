import koffi from "koffi";
import { ok, results } from "./testbed.ts";

export const F32 = 0;
export const BF16 = 9;

/** Types of attributes, with the array that holds values. */
const kinds = { handle: [0, BigInt64Array], dataType: [1, Int32Array], int64: [3, BigInt64Array], float: [4, Float32Array], pointer: [6, BigInt64Array], mode: [7, Int32Array], heuristic: [8, Int32Array], note: [11, Int32Array], descriptor: [15, BigInt64Array] } as const;
export type Attribute = readonly [name: number, kind: keyof typeof kinds, ...values: number[]];

export const DESCRIPTOR = { convolution: 1, engine: 2, configuration: 3, heuristics: 4, plan: 5, graph: 15, pack: 16, tensor: 17 };

export function bindCudnn(path: string) {
  const library = koffi.load(path);
  const f = (signature: string) => library.func(signature) as (...args: unknown[]) => number;
  return {
    getVersion: f("size_t cudnnGetVersion()"),
    getErrorString: library.func("const char* cudnnGetErrorString(int status)") as (status: number) => string,
    getLastErrorString: f("void cudnnGetLastErrorString(void* text, size_t bytes)"),
    create: f("int cudnnCreate(_Out_ uint64_t* handle)"),
    destroy: f("int cudnnDestroy(uint64_t handle)"),
    setStream: f("int cudnnSetStream(uint64_t handle, uint64_t stream)"),
    descriptorCreate: f("int cudnnBackendCreateDescriptor(int type, _Out_ uint64_t* descriptor)"),
    descriptorDestroy: f("int cudnnBackendDestroyDescriptor(uint64_t descriptor)"),
    finalize: f("int cudnnBackendFinalize(uint64_t descriptor)"),
    set: f("int cudnnBackendSetAttribute(uint64_t descriptor, int name, int type, int64_t count, const void* values)"),
    get: f("int cudnnBackendGetAttribute(uint64_t descriptor, int name, int type, int64_t asked, _Out_ int64_t* count, void* values)"),
    execute: f("int cudnnBackendExecute(uint64_t handle, uint64_t plan, uint64_t pack)"),
  };
}

export type Direction = "forward" | "data" | "filter";
/** Descriptor, attributes of the convolution, x, w, y, alpha and beta, and which of x, w and y is written. */
const operations = { forward: [10, 702, 704, 703, 705, 700, 701, 2], data: [12, 708, 710, 709, 711, 706, 707, 0], filter: [11, 714, 716, 715, 717, 712, 713, 1] } as const;

export interface Problem {
  direction: Direction;
  /** Sizes as cuDNN has them: [n, c, h, w], [k, c, r, s]; y by the formula unless given. */
  x: number[];
  w: number[];
  y?: number[];
  padding?: number[];
  stride?: number[];
  dilation?: number[];
  type?: number;
  alignment?: number;
  channelsFirst?: boolean;
  alpha?: number;
  beta?: number;
}

export const shapeOfY = ({ x, w, padding = [0, 0], stride = [1, 1], dilation = [1, 1] }: Problem): number[] =>
  [x[0], w[0], ...[0, 1].map((i) => Math.floor((x[i + 2] + 2 * padding[i] - dilation[i] * (w[i + 2] - 1) - 1) / stride[i]) + 1)];

/** cuDNN's backend API with a handle; the stand-in forgets descriptors at its reset. */
export class Backend {
  readonly cudnn: ReturnType<typeof bindCudnn>;
  readonly handle: number;
  constructor(path: string, stream: number) {
    this.cudnn = bindCudnn(path);
    [this.handle] = results(1, (place) => this.cudnn.create(place));
    ok(this.cudnn.setStream(this.handle, stream));
  }

  descriptor(type: number): number { return results(1, (place) => this.cudnn.descriptorCreate(type, place))[0]; }

  set(descriptor: number, [name, kind, ...values]: Attribute): number {
    const [type, array] = kinds[kind];
    const held = array === BigInt64Array ? BigInt64Array.from(values, BigInt) : (array as typeof Int32Array).from(values);
    return this.cudnn.set(descriptor, name, type, held.length, held);
  }

  get(descriptor: number, name: number, kind: keyof typeof kinds, places: number[] | number = 1): number[] {
    const [type, array] = kinds[kind];
    const given = typeof places === "number" ? Array.from({ length: places }, () => 0) : places;
    const held = array === BigInt64Array ? BigInt64Array.from(given, BigInt) : (array as typeof Int32Array).from(given);
    const count: [number] = [0];
    ok(this.cudnn.get(descriptor, name, type, held.length, count, held));
    return held.length === 0 ? [count[0]] : Array.from(held.subarray(0, count[0]), Number);
  }

  /** A descriptor with attributes, not finalized. */
  begin(type: number, attributes: readonly Attribute[]): number {
    const made = this.descriptor(type);
    for (const attribute of attributes) ok(this.set(made, attribute));
    return made;
  }

  make(type: number, attributes: readonly Attribute[]): number {
    const made = this.begin(type, attributes);
    ok(this.cudnn.finalize(made));
    return made;
  }

  tensor(id: number, [n, c, h, w]: number[], { type = F32, alignment = 16, channelsFirst = false }: Partial<Problem> = {}): Attribute[] {
    return [
      [906, "int64", id], [901, "dataType", type], [900, "int64", alignment], [902, "int64", n, c, h, w],
      [903, "int64", ...(channelsFirst ? [c * h * w, h * w, w, 1] : [h * w * c, 1, w * c, c])],
    ];
  }

  convolution({ padding = [0, 0], stride = [1, 1], dilation = [1, 1] }: Partial<Problem>): Attribute[] {
    return [[100, "dataType", F32], [101, "mode", 1], [106, "int64", 2], [102, "int64", ...dilation], [103, "int64", ...stride], [104, "int64", ...padding], [105, "int64", ...padding]];
  }

  operation(problem: Problem): [type: number, attributes: Attribute[]] {
    const [type, convolution, x, w, y, alpha, beta] = operations[problem.direction];
    const tensors = [problem.x, problem.w, problem.y ?? shapeOfY(problem)].map((size, i) => this.make(DESCRIPTOR.tensor, this.tensor(i + 1, size, problem)));
    return [type, [
      [convolution, "descriptor", this.make(DESCRIPTOR.convolution, this.convolution(problem))],
      [x, "descriptor", tensors[0]], [w, "descriptor", tensors[1]], [y, "descriptor", tensors[2]],
      [alpha, "float", problem.alpha ?? 1], [beta, "float", problem.beta ?? 0],
    ]];
  }

  graph(problem: Problem): number {
    return this.make(DESCRIPTOR.graph, [[800, "handle", this.handle], [801, "descriptor", this.make(...this.operation(problem))]]);
  }

  heuristics(graph: number, mode = 3): number { return this.begin(DESCRIPTOR.heuristics, [[201, "descriptor", graph], [200, "heuristic", mode]]); }

  /** Engine configurations for a graph, the first the fastest, with the numerical notes of their engines. */
  configurations(graph: number, mode = 3): { configuration: number; notes: number[] }[] {
    const heuristics = this.heuristics(graph, mode);
    ok(this.cudnn.finalize(heuristics));
    const [count] = this.get(heuristics, 202, "descriptor", 0);
    return this.get(heuristics, 202, "descriptor", Array.from({ length: count }, () => this.descriptor(DESCRIPTOR.configuration))).map((configuration) => {
      const [engine] = this.get(configuration, 300, "descriptor", [this.descriptor(DESCRIPTOR.engine)]);
      return { configuration, notes: this.get(engine, 1303, "note", 10) };
    });
  }

  plan(configuration: number): number { return this.begin(DESCRIPTOR.plan, [[400, "handle", this.handle], [401, "descriptor", configuration]]); }

  pack(pointers: readonly number[], workspace = 0, ids: readonly number[] = [1, 2, 3]): number {
    return this.begin(DESCRIPTOR.pack, [[1000, "int64", ...ids], [1001, "pointer", ...pointers], [1003, "pointer", workspace]]);
  }

  /** Of the configurations, the plan of the first with these notes. */
  planWith(problem: Problem, notes: readonly number[]): { plan: number; workspace: number } {
    const found = this.configurations(this.graph(problem)).find((each) => each.notes.join() === notes.join());
    if (!found) throw new Error(`no engine has the notes ${notes.join()}`);
    const plan = this.plan(found.configuration);
    ok(this.cudnn.finalize(plan));
    return { plan, workspace: this.get(plan, 402, "int64")[0] };
  }

  execute(plan: number, pointers: readonly number[], workspace = 0): number {
    const pack = this.pack(pointers, workspace);
    ok(this.cudnn.finalize(pack));
    const status = this.cudnn.execute(this.handle, plan, pack);
    ok(this.cudnn.descriptorDestroy(pack));
    return status;
  }

  lastError(): string {
    const text = Buffer.alloc(256);
    this.cudnn.getLastErrorString(text, text.length);
    return text.toString("utf8", 0, text.indexOf(0));
  }
}

export const written = (direction: Direction): 0 | 1 | 2 => operations[direction][7];
