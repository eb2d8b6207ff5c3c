import { type Binding, bindingsOf, uniformOf, wgslModule } from "../../codegen/wgsl/emit.ts";
import { mostNeurons, type SampleLayout, sampleLayout } from "../../codegen/samples.ts";
import { vectorOf } from "../../codegen/wgsl/vector.ts";
import { DeviceError } from "../../errors.ts";
import type { BufferSpec, Plan } from "../../fusion/plan.ts";
import type { FusedKernel, Launch, Tensor } from "../device.ts";
import { bufferOf, bufferTypes, checkLaunch, refuseInPlace } from "../launch.ts";
import type { WebGpuContext } from "./context.ts";
import { transposedTensor } from "./dense/linear.ts";
import { sumRows } from "./dense/reduction.ts";
import { Launcher } from "./dense/work.ts";
import { gridOf, WORKGROUP } from "./grid.ts";
import { elementsOfKernel, type Extents, inStrips, stripOf } from "./strips.ts";

type Direction = "forward" | "backward";

/** Where registers are memory anyway, what bounds a backward kernel is the time that it takes to compile. */
const SOFTWARE_REGISTERS = 256;

/** Where samples are small, a workgroup has several once there are more than this: WebGPU does not tell how many a GPU runs at once. */
const PROCESSORS = 32;

/** All that launches with the same extents share. */
interface Variant {
  pipeline: GPUComputePipeline;
  layout: GPUBindGroupLayout;
  /** Contents of the uniform. */
  words: Uint32Array;
  grid: readonly [number, number];
  bindings: readonly BoundBuffers[];
}

/** A binding: the numbers of its buffers in the plan, and where each begins if they are packed into one. */
interface BoundBuffers {
  buffers: readonly number[];
  access: Binding["access"];
  /** In elements of f32; null if the binding is a buffer itself. */
  packed: { offsets: readonly number[]; size: number } | null;
}

/** The two kernels of a plan; each is compiled when it is first launched, backward once for each number of steps. */
export function compileFused(device: WebGpuContext, plan: Plan): FusedKernel {
  const { name } = plan.neuron;
  const launcher = new Launcher(device);
  const variants = new Map<string, Variant>();
  const strips = new Map<string, number>();

  const stripFor = (direction: Direction, extents: Extents): number => {
    const key = `${direction} ${extents.steps} ${extents.size} ${extents.channels}`;
    let strip = strips.get(key);
    if (strip === undefined) strips.set(key, (strip = stripOf(plan, plan[direction]!.buffers, bindingsOf(plan, direction), extents, device.limits)));
    return strip;
  };

  const launch = (direction: Direction, given: Launch): void => {
    checkLaunch(plan, direction, given);
    const { steps, size, channels = size } = given;
    const specs = plan[direction]!.buffers;
    const partials: { partial: Tensor; target: Tensor; columns: number }[] = [];
    const scratch: Tensor[] = [];
    try {
      const tensors = specs.map((spec) => {
        const target = bufferOf(plan, spec, given);
        device.buffer(target, `${name}.${direction}, buffer ${spec.name}`, bufferTypes[spec.format]);
        if (spec.extent === "matrix" && direction === "backward") {
          const turned = launcher.run(name, (work) => transposedTensor(work, target, channels));
          scratch.push(turned);
          return turned;
        }
        const columns = spec.extent === "channel" ? channels : 1;
        if (!spec.reduce || columns === size) return target;
        const partial = device.empty([size]);
        scratch.push(partial);
        partials.push({ partial, target, columns });
        return partial;
      });
      if (steps > 1) refuseInPlace(plan, specs, tensors.map((tensor) => device.buffer(tensor, name)));
      const extents = { steps, size, channels };
      const strip = stripFor(direction, extents);
      if (strip === size) run(direction, extents, tensors);
      else inStrips(device, specs, extents, strip, tensors, (some, parts) => run(direction, some, parts));
      for (const { partial, target, columns } of partials) {
        launcher.run(name, (work) => sumRows(work, work.bind(partial), undefined, work.bind(target), size / columns, columns));
      }
    } finally {
      for (const tensor of scratch) tensor.dispose();
    }
  };

  const run = (direction: Direction, extents: Extents, tensors: readonly Tensor[]): void => {
    const buffers = tensors.map((tensor) => device.buffer(tensor, name));
    const { pipeline, layout, words, grid, bindings } = variantOf(direction, extents, extents.steps === 1 ? sharing(buffers, plan[direction]!.buffers) : []);
    const scratch = bindings.map(({ packed }) => packed && device.empty([packed.size]));
    try {
      const bound = bindings.map((binding, b) => (scratch[b] ? device.buffer(scratch[b], name) : buffers[binding.buffers[0]]));
      const excess = bound.find((buffer) => buffer.size > device.limits.bindingBytes);
      if (excess) throw new DeviceError(`webgpu: ${name}.${direction}: a binding of ${excess.size} bytes exceeds this GPU's ${device.limits.bindingBytes}.`);
      device.submit((encoder) => {
        const copyPacked = (access: Binding["access"]): void => bindings.forEach(({ buffers: indices, packed, access: own }, b) => packed && own === access && indices.forEach((i, k) => {
          const [bytes, at] = [4 * tensors[i].size, 4 * packed.offsets[k]];
          if (access === "read") encoder.copyBufferToBuffer(buffers[i], 0, bound[b], at, bytes);
          else encoder.copyBufferToBuffer(bound[b], at, buffers[i], 0, bytes);
        }));
        copyPacked("read");
        const pass = encoder.beginComputePass();
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, device.bindGroups.get(layout, [...bound, device.pipelines.uniform(words)]));
        pass.dispatchWorkgroups(...grid);
        pass.end();
        copyPacked("read_write");
      });
    } finally {
      for (const tensor of scratch) tensor?.dispose();
    }
  };

  const variantOf = (direction: Direction, extents: Extents, inPlace: readonly (readonly string[])[]): Variant => {
    const { steps, size, channels } = extents;
    const key = `${direction} ${steps} ${size} ${channels} ${inPlace.join(";")}`;
    const known = variants.get(key);
    if (known) return known;
    const specs = plan[direction]!.buffers;
    const samples = plan.mix ? samplesOf(extents) : undefined;
    const vector = samples?.slots ?? vectorOf(plan, direction, size, device.software ? SOFTWARE_REGISTERS : undefined);
    const bindings = bindingsOf(plan, direction, inPlace);
    const bound = bindings.map((binding) => bind(binding, plan, specs, extents));
    const code = wgslModule(plan, direction, { steps, vector, workgroup: WORKGROUP, samples, bindings });
    const { pipeline, layout } = device.pipelines.bound(`${name}.${direction}`, code, direction, bindings.map(({ access }) => access));
    const workgroup = samples ? samples.threads * samples.samples : WORKGROUP;
    const threads = samples ? samples.threads * (size / channels) : size / vector;
    const { grid, row } = gridOf(device, threads, `${name}.${direction}`, workgroup);
    const offsets = Object.fromEntries(bound.flatMap(({ buffers, packed }) => (packed ? buffers.map((i, k) => [specs[i].name, packed.offsets[k]]) : [])));
    const variant = { pipeline, layout, words: uniformOf(bindings, { steps, size, channels, threads, gridRow: row, offsets }), grid, bindings: bound };
    variants.set(key, variant);
    return variant;
  };

  const samplesOf = ({ size, channels }: Extents): SampleLayout => {
    const { threads, sharedBytes } = device.limits;
    const layout = sampleLayout(channels, size / channels, PROCESSORS, { threads, bytes: sharedBytes });
    if (layout) return layout;
    const most = mostNeurons({ threads, bytes: sharedBytes });
    throw new DeviceError(`webgpu: ${name}: ${channels} neurons that are connected all to all exceed the ${most} that a workgroup of this GPU can hold; make the recurrent layer smaller, give it weights "elementwise", or use the device "cpu".`);
  };

  return {
    plan,
    forward: (given) => launch("forward", given),
    backward: (given) => launch("backward", given),
  };
}

/** Buffers of a launch of one step that lie in the same memory and of which one is written: they share a binding. */
function sharing(buffers: readonly GPUBuffer[], specs: readonly BufferSpec[]): string[][] {
  const groups = new Map<GPUBuffer, number[]>();
  buffers.forEach((buffer, i) => groups.set(buffer, [...(groups.get(buffer) ?? []), i]));
  return [...groups.values()].filter((group) => group.length > 1 && group.some((i) => specs[i].direction === "out")).map((group) => group.map((i) => specs[i].name));
}

function bind({ buffers, access, offsets }: Binding, plan: Plan, specs: readonly BufferSpec[], extents: Extents): BoundBuffers {
  const indices = buffers.map((name) => specs.findIndex((spec) => spec.name === name));
  if (!offsets) return { buffers: indices, access, packed: null };
  const starts: number[] = [];
  let end = 0;
  for (const i of indices) {
    starts.push(end);
    // Vectors are read at multiples of their length.
    end += 4 * Math.ceil(elementsOfKernel(plan, specs[i], extents) / 4);
  }
  return { buffers: indices, access, packed: { offsets: starts, size: end } };
}
