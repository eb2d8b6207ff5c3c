import { captureGraph, CudaDevice } from "../../src/cuda/index.ts";
import type { DenseMath, Device, Launch, Tensor } from "../../src/device/index.ts";
import { devices, gradient, openDevice, simulate } from "../../src/device/index.ts";
import { device, makePlan, STEPS } from "./kit.ts";
import { neuron } from "./nn.ts";
import { argument, called, choice, count, flag, type Argument, natural, optional, positive, options, row, type Row } from "./table.ts";

/** There is no cuda device to call these with, but what is wrong shows before one is looked for. */
const onCuda = (given: Row): Row => ({ ...given, incomplete: true });

/** What a device offers; without `withDense`, all but dense math. */
export function rowsOf(device: Device, withDense = true): Record<string, Row> {
  const tensor = (...shape: number[]): Tensor => device.zeros(shape);
  const lengths = argument(() => [2, 2], "list", "list of numbers");
  const any = argument(() => tensor(2, 2));
  const dtype = optional(choice("f32"));
  const factor = argument(() => 1, "number", "NaN", "negative", "fraction");
  const window = argument(() => ({ size: [1, 1], stride: [1, 1], padding: [0, 0] }));
  const need = argument(() => ({ input: true, bias: true }));
  const images = argument(() => tensor(1, 2, 2, 1));
  const kernel = argument(() => tensor(1, 1, 1, 1));
  const channels = argument(() => tensor(2));
  const labels = argument(() => device.zeros([2], "i32"));

  const dense = <K extends keyof DenseMath>(name: K, given: Record<string, Argument>): [string, Row] => [
    `DenseMath.${name}`, row((...args: never[]) => (device.dense[name] as (...args: never[]) => unknown)(...args), given),
  ];
  const method = <K extends keyof Device>(name: K, given: Record<string, Argument> = {}): [string, Row] => [
    `Device.${name}`, row((...args: never[]) => (device[name] as (...args: never[]) => unknown)(...args), given),
  ];

  const launch = (): Launch => ({ steps: STEPS, size: 4, buffers: { x: tensor(STEPS, 4), spike: tensor(STEPS, 4) } });
  const launchArgument: Argument = {
    make: launch, right: [],
    fields: { steps: argument(() => STEPS), size: argument(() => 4, "number"), channels: argument(() => 4), buffers: argument(() => launch().buffers) },
  };
  const fused = device.kernel(makePlan());
  const differentiated = device.kernel(makePlan({ gradients: ["x"], seeds: { spike: "varying" } }));
  const backwardLaunch = (): Launch => ({ steps: STEPS, size: 4, buffers: { x: tensor(STEPS, 4), "d.spike": tensor(STEPS, 4), "grad.x": tensor(STEPS, 4) } });
  const buffer = (name: string): [string, Row] => [
    `FusedKernel.forward, buffer ${name}`, row((given: never) => fused.forward({ ...launch(), buffers: { ...launch().buffers, [name]: given } }), { [name]: argument(() => tensor(STEPS, 4)) }),
  ];

  return Object.fromEntries([
    method("empty", { shape: lengths, dtype }),
    method("zeros", { shape: lengths, dtype }),
    method("tensor", { data: argument(() => new Float32Array(4)), shape: argument(() => [2, 2]) }),
    method("write", { tensor: any, data: argument(() => new Float32Array(4)) }),
    method("read", { tensor: any }),
    method("copy", { source: any, target: any, at: optional(argument(() => 0, "number")) }),
    method("denseFor", { precision: choice("float32") }),
    method("kernel", { plan: argument(makePlan) }),
    method("synchronize"),
    ["Device.dispose", row(async () => (await openDevice("cpu", { threads: 1 })).dispose())],
    ["Tensor.reshape", row((given: never) => tensor(2, 2).reshape(given), { shape: argument(() => [4]) })],
    ["Tensor.dispose", row(() => tensor(2).dispose())],
    ["FusedKernel.forward", row((given: never) => fused.forward(given), { launch: launchArgument })],
    ["FusedKernel.backward", row((given: never) => differentiated.backward(given), { launch: { ...launchArgument, make: backwardLaunch } })],
    buffer("x"),
    buffer("spike"),
    ...(withDense ? [
      dense("linear", { x: any, w: any, bias: optional(channels) }),
      dense("linearBackward", { x: any, w: any, dy: any, need }),
      dense("conv2d", { x: images, w: kernel, bias: optional(argument(() => tensor(1))), window }),
      dense("conv2dBackward", { x: images, w: kernel, dy: images, window, need }),
      dense("maxPool2d", { x: images, window }),
      dense("maxPool2dBackward", { x: images, dy: images, window }),
      dense("avgPool2d", { x: images, window }),
      dense("avgPool2dBackward", { xShape: argument(() => [1, 2, 2, 1]), dy: images, window }),
      dense("channelMoments", { x: any }),
      dense("channelSums", { x: any }),
      dense("channelDots", { x: any, y: any }),
      dense("channelAffine", { x: any, a: channels, b: channels, y: any, d: channels }),
      dense("groupNorm", { x: argument(() => tensor(1, 2, 4)), groups: argument(() => 2), eps: positive }),
      dense("groupNormBackward", { y: argument(() => tensor(1, 2, 4)), scale: argument(() => tensor(1, 2)), dy: argument(() => tensor(1, 2, 4)) }),
      dense("scaleFirst", { x: argument(() => tensor(2, 4)), factors: argument(() => tensor(2)) }),
      dense("dotsFirst", { x: argument(() => tensor(2, 4)), y: argument(() => tensor(2, 4)) }),
      dense("cast", { x: any, dtype: choice("f32") }),
      dense("packSpikes", { x: any }),
      dense("unpackSpikes", { bits: argument(() => device.zeros([1], "u32")), shape: argument(() => [2, 2], "list of numbers"), dtype: optional(choice("f32")) }),
      dense("sumFirst", { x: any, scale: factor }),
      dense("repeatFirst", { x: any, times: count, scale: factor }),
      dense("add", { x: any, y: any }),
      dense("addInto", { y: any, x: any, scale: factor }),
      dense("scale", { x: any, factor }),
      dense("sumOfSquares", { x: any }),
      dense("softmaxCrossEntropy", { logits: any, labels, weights: optional(channels) }),
      dense("meanSquaredError", { x: any, target: any, weights: optional(channels) }),
    ] : []),
  ]);
}

const input = argument(() => new Float32Array(4));
const run = {
  steps: argument(() => STEPS), device: argument(() => "cpu"),
  params: argument(() => ({}), "object", "bare object"), state: argument(() => ({ v: new Float32Array(2) })),
};

export const ofDevices: Record<string, Row> = {
  openDevice: row(async (...given: [never, never]) => (await openDevice(...given)).dispose(), {
    name: optional(argument(() => "cpu")), options: options({ threads: count, portable: flag, timeParallel: flag, fmad: argument(() => undefined), profile: argument(() => undefined), convolutions: argument(() => undefined) }),
  }),
  devices: row(devices),
  simulate: row(simulate, { neuron, input, options: options({ ...run, stepwise: flag, record: called(argument(() => ["v"], "list"), "state") }, "steps") }),
  gradient: row(gradient, { neuron, input, spikeGrad: input, options: options(run, "steps") }),
  "CudaDevice.open": onCuda(row(CudaDevice.open, { ordinal: natural, options: options({ fmad: flag, profile: flag, convolutions: argument(() => "tried") }) })),
  captureGraph: onCuda(row(captureGraph, { device: argument(() => device) })),
  ...rowsOf(device),
};
