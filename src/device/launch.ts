import { elementsOf } from "../codegen/formats.ts";
import { checkArgument, kind, object, show } from "../check.ts";
import { DeviceError, OptionError, ShapeError } from "../errors.ts";
import { type BufferSpec, type Plan, planKind, type SpikeFormat } from "../fusion/plan.ts";
import { type Device, type DType, type Launch, type Tensor, tensorKind, type TimeShare } from "./device.ts";

/** What a buffer's elements are stored as. */
export const bufferTypes: Readonly<Record<SpikeFormat, DType>> = { f32: "f32", f16: "u16", bf16: "bf16", u8: "u8", bits: "u32" };

/** What the time of a plan's kernels counts as: those of spiking neurons, and others, such as optimisers. */
export const shareOf = (plan: Plan): keyof TimeShare => (plan.neuron.outputs.includes("spike") ? "neuron" : "rest");

/** @throws OptionError unless it is a plan. */
export const checkPlan = (device: Device, given: Plan): void => checkArgument(`${device.name}: kernel`, "plan", given, planKind);

const launchKind = kind("an object { steps, size, channels, buffers }", (x) => object.accepts(x) && object.accepts((x as Launch).buffers));

/** @throws OptionError for what is no launch, if the plan has no such kernel or is not for so many steps, ShapeError if the neurons cannot be split into the channels. */
export function checkLaunch(plan: Plan, kernel: "forward" | "backward", launch: Launch): void {
  if (!plan[kernel]) throw new OptionError(`neuron ${plan.neuron.name} was planned without gradients; name them in the plan's request.`);
  const where = `${plan.neuron.name}.${kernel}`;
  checkArgument(where, "the launch", launch, launchKind);
  const { steps, size, channels = size } = launch;
  if (!Number.isInteger(steps) || steps < 1) throw new OptionError(`${where}: steps must be a positive integer, got ${show(steps)}.`);
  if (!Number.isInteger(size) || size < 1) throw new ShapeError(`${where}: size, the number of neurons, must be a positive integer, got ${show(size)}.`);
  if (!Number.isInteger(channels) || channels < 1 || size % channels !== 0) {
    throw new ShapeError(`${where}: ${size} neurons cannot be split evenly into ${show(channels)} channels.`);
  }
  if (plan.backward && plan.checkpointEvery === null && plan.recomputed.length > 0 && steps > plan.chunk) {
    throw new OptionError(`${where}: planned for ${plan.steps} steps without checkpoints, launched with ${steps}; plan again for that many steps.`);
  }
}

/** How many elements a launch needs a buffer to have. */
export function lengthOf(plan: Plan, { time, extent, format }: BufferSpec, { steps, size, channels = size }: Omit<Launch, "buffers">): number {
  const row = { neuron: size, channel: channels, layer: 1, matrix: channels * channels }[extent];
  return time === "varying" ? elementsOf(format, steps, row) : time === "constant" ? row : (Math.ceil(steps / plan.checkpointEvery!) - 1) * row;
}

/** The tensor of a buffer. @throws DeviceError if the launch lacks it, ShapeError if it has another number of elements than the launch needs. */
export function bufferOf(plan: Plan, spec: BufferSpec, launch: Launch): Tensor {
  const { name, time, extent } = spec;
  const tensor = launch.buffers[name];
  if (tensor === undefined) throw new DeviceError(`${plan.neuron.name}: the launch lacks the buffer ${name}.`);
  checkArgument(plan.neuron.name, `buffer ${name}`, tensor, tensorKind);
  const expected = lengthOf(plan, spec, launch);
  if (tensor.size !== expected) {
    throw new ShapeError(`${plan.neuron.name}: buffer ${name} needs ${expected} elements (${time}, per ${extent}, ${launch.steps} steps, ${launch.size} neurons), got [${tensor.shape}].`);
  }
  return tensor;
}

/** @throws DeviceError if an output of a launch of several steps lies where another buffer does. */
export function refuseInPlace(plan: Plan, specs: readonly BufferSpec[], addresses: readonly (number | object)[]): void {
  specs.forEach(({ name, direction }, i) => {
    if (direction === "out" && addresses.indexOf(addresses[i]) !== i) throw new DeviceError(`${plan.neuron.name}: buffer ${name} shares its memory with another one; only a launch of one step may work in place.`);
  });
}
