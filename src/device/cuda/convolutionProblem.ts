import { type Constant, type CudnnBackend, cudnnConstants as C, descriptors, enumerated, float, int64 } from "./cudnnBackend.ts";

const types = { f32: C.CUDNN_DATA_FLOAT, bf16: C.CUDNN_DATA_BFLOAT16 } as const;
const bytesOf = { f32: 4, bf16: 2 } as const;

export type ConvolutionType = keyof typeof types;

/** A convolution of x [n, h, w, c] by w [o, kh, kw, c/groups] to y [n, h', w', o], each dense in memory in this order. */
export interface ConvolutionProblem {
  /** What is computed: y of x and w; x ("data") of y and w; w ("filter") of x and y. */
  kind: "forward" | "data" | "filter";
  /** [n, h, w, c]. */
  x: readonly [number, number, number, number];
  /** [o, kh, kw, c/groups]. */
  w: readonly [number, number, number, number];
  /** Zeros around x: [above and below, left and right]. */
  padding: readonly [number, number];
  stride: readonly [number, number];
  /** Distance of the pixels that w sees. Default: [1, 1]. */
  dilation?: readonly [number, number];
  /** Of what is read. */
  type: ConvolutionType;
  /** Of what is written. Default: `type`. cuDNN 9.24 has no "filter" that writes f32 of bf16. */
  output?: ConvolutionType;
  /** Round f32 operands to TF32 (10 bits): sums stay f32. Default: false. */
  tf32?: boolean;
}

/** Shape of y: [n, h', w', o]. */
export const outputShape = ({ x: [n, h, w], w: [o, kh, kw], padding: [py, px], stride: [sy, sx], dilation: [dy, dx] = [1, 1] }: Pick<ConvolutionProblem, "x" | "w" | "padding" | "stride" | "dilation">): [number, number, number, number] =>
  [n, Math.floor((h + 2 * py - dy * (kh - 1) - 1) / sy) + 1, Math.floor((w + 2 * px - dx * (kw - 1) - 1) / sx) + 1, o];

/** Problems of equal keys have the same engines. */
export const problemKey = ({ kind, x, w, padding, stride, dilation = [1, 1], type, output = type, tf32 = false }: ConvolutionProblem): string =>
  JSON.stringify([kind, x, w, padding, stride, dilation, type, output, tf32]);

const WORKSPACE_BYTES = 256 * 2 ** 20;

/**
 * The most workspace that an engine may take, unless asked otherwise, of a convolution whose tensors have so many elements: 256 MiB, or more where copies of
 * all its f32s take more. Many engines of f32 copy tensors to an order of their own; without room for that those are left that cuDNN ranks last. Those of bf16 need none.
 */
export const workspaceFor = (type: ConvolutionType, elements: number): number =>
  (type === "bf16" ? WORKSPACE_BYTES : Math.max(WORKSPACE_BYTES, Math.ceil(elements * bytesOf.f32 * (1 + 1 / 8))));

const operations = {
  forward: ["CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR", "FORWARD", ["X", "W", "Y"]],
  data: ["CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR", "BWD_DATA", ["DX", "W", "DY"]],
  filter: ["CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR", "BWD_FILTER", ["X", "DW", "DY"]],
} as const satisfies Record<ConvolutionProblem["kind"], readonly [Constant<"BACKEND">, string, readonly string[]]>;

const written = { forward: 2, data: 0, filter: 1 } as const;

const BYTE_ALIGNMENT = 16;

/** The operation of a convolution with its tensors. cuDNN orders dimensions [n, c, h, w], whatever their order in memory is. */
export function operation(make: CudnnBackend["make"], problem: ConvolutionProblem): number {
  const { kind, x, w, padding, stride, dilation = [1, 1], type, output = type } = problem;
  const tensors = [x, w, outputShape(problem)].map(([n, h, width, c], i) => {
    const element = i === written[kind] ? output : type;
    return make("CUDNN_BACKEND_TENSOR_DESCRIPTOR", {
      CUDNN_ATTR_TENSOR_UNIQUE_ID: int64(i + 1),
      CUDNN_ATTR_TENSOR_DATA_TYPE: enumerated("DATA_TYPE", types[element]),
      CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT: int64(Math.max(BYTE_ALIGNMENT, bytesOf[element])),
      CUDNN_ATTR_TENSOR_DIMENSIONS: int64(n, c, h, width),
      CUDNN_ATTR_TENSOR_STRIDES: int64(h * width * c, 1, width * c, c),
    });
  });
  const convolution = make("CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR", {
    CUDNN_ATTR_CONVOLUTION_COMP_TYPE: enumerated("DATA_TYPE", C.CUDNN_DATA_FLOAT),
    CUDNN_ATTR_CONVOLUTION_CONV_MODE: enumerated("CONVOLUTION_MODE", C.CUDNN_CROSS_CORRELATION),
    CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS: int64(2),
    CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS: int64(...padding),
    CUDNN_ATTR_CONVOLUTION_POST_PADDINGS: int64(...padding),
    CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES: int64(...stride),
    CUDNN_ATTR_CONVOLUTION_DILATIONS: int64(...dilation),
  });
  const [descriptor, name, names] = operations[kind];
  const attribute = (suffix: string): Constant<"ATTR"> => `CUDNN_ATTR_OPERATION_CONVOLUTION_${name}_${suffix}` as Constant<"ATTR">;
  return make(descriptor, {
    [attribute("CONV_DESC")]: descriptors(convolution),
    ...Object.fromEntries(names.map((each, i) => [attribute(each), descriptors(tensors[i])])),
    [attribute("ALPHA")]: float(1),
    [attribute("BETA")]: float(0),
  });
}
