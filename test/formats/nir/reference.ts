/**
 * NIR's equations in float64, step by step and node by node, by Euler's method, from the file itself: written from the format's definitions, and sharing nothing with the library.
 * Signals are [C, H, W], as in the file.
 */
import { Dataset, File, Group, ready } from "h5wasm/node";

type Values = Float64Array;
interface Signal { shape: number[]; data: Values }
interface Node { type: string; of: (field: string) => Values; shape: (field: string) => number[]; has: (field: string) => boolean }

export interface ReferenceOptions {
  dt: number;
  reset?: "hard" | "soft";
}

export interface Reference {
  inputShape: number[];
  /**
   * Runs [T][values of one sample] and returns the output of each step, the membrane that the node before the Output has after each, and the smallest |v − threshold| that a neuron had: where
   * that is tiny, f32 may decide otherwise.
   */
  run(input: readonly ArrayLike<number>[]): { outputs: Values[]; membranes: Values[]; margin: number };
}

export async function reference(path: string, { dt, reset = "hard" }: ReferenceOptions): Promise<Reference> {
  await ready;
  const file = new File(path, "r");
  const group = file.get("node") as Group;
  const nodes = new Map((group.get("nodes") as Group).keys().map((name) => [name, nodeOf(group.get(`nodes/${name}`) as Group)]));
  const flat = (group.get("edges") as Dataset).value as string[];
  file.close();
  const edges = new Map(Array.from({ length: flat.length / 2 }, (_, i) => [`${flat[2 * i]} ${flat[2 * i + 1]}`, [flat[2 * i], flat[2 * i + 1]] as const]));
  const input = [...nodes].find(([, { type }]) => type === "Input")!;
  const output = [...nodes].find(([, { type }]) => type === "Output")!;
  const [read] = [...edges.values()].find(([, to]) => to === output[0])!;
  const inputShape = [...input[1].of("shape")];
  return {
    inputShape,
    run(steps) {
      const states = new Map<string, Record<string, Values>>();
      const last = new Map<string, Signal>();
      const membranes: Values[] = [];
      let margin = Infinity;
      const outputs = steps.map((x) => {
        const now = new Map<string, Signal>([[input[0], { shape: inputShape, data: Float64Array.from(x) }]]);
        // A node that is asked for while it is being computed closes a cycle: then its output of the step before counts.
        const open = new Set<string>();
        const valueOf = (name: string): Signal => {
          const known = now.get(name);
          if (known) return known;
          open.add(name);
          const node = nodes.get(name)!;
          const sources = [...edges.values()].filter(([, to]) => to === name).map(([from]) => from);
          const signals = sources.map((from) => (open.has(from) ? last.get(from) : viaLoop(from))).filter((signal) => signal !== undefined);
          const sum: Signal = { shape: signals[0].shape, data: signals[0].data.map((_, i) => signals.reduce((total, { data }) => total + data[i], 0)) };
          if (!states.has(name)) states.set(name, {});
          const result = compute(node, sum, states.get(name)!);
          open.delete(name);
          now.set(name, result);
          return result;
        };
        // A node of weights whose only source is open reads that one's last output.
        const viaLoop = (from: string): Signal | undefined => {
          const sources = [...edges.values()].filter(([, to]) => to === from).map(([source]) => source);
          if (sources.length === 1 && open.has(sources[0])) {
            const before = last.get(sources[0]) ?? zero(nodes.get(sources[0])!);
            return compute(nodes.get(from)!, before, {});
          }
          return valueOf(from);
        };
        const result = valueOf(output[0]);
        for (const [name, signal] of now) last.set(name, signal);
        membranes.push(Float64Array.from(states.get(read)?.v ?? []));
        return result.data;
      });
      return { outputs, membranes, margin };

      function compute(node: Node, x: Signal, state: Record<string, Values>): Signal {
        const { type } = node;
        const of = (field: string): Values => {
          const values = node.of(field);
          return values.length === 1 ? new Float64Array(x.data.length).fill(values[0]) : values;
        };
        const each = (f: (i: number) => number): Signal => ({ shape: x.shape, data: x.data.map((_, i) => f(i)) });
        const memory = (name: string): Values => (state[name] ??= new Float64Array(x.data.length));
        const fire = (v: Values): Signal => {
          const threshold = of("v_threshold");
          const rest = node.has("v_reset") ? of("v_reset") : new Float64Array(v.length);
          return each((i) => {
            margin = Math.min(margin, Math.abs(v[i] - threshold[i]));
            if (!(v[i] > threshold[i])) return 0;
            v[i] = reset === "hard" ? rest[i] : v[i] - threshold[i];
            return 1;
          });
        };
        switch (type) {
          case "Output": return x;
          case "Linear":
          case "Affine": {
            const [rows, columns] = node.shape("weight");
            const weight = of("weight");
            const bias = node.has("bias") ? of("bias") : new Float64Array(rows);
            return { shape: [rows], data: Float64Array.from({ length: rows }, (_, o) => x.data.reduce((total, value, i) => total + weight[o * columns + i] * value, bias[o])) };
          }
          case "Scale": return each((i) => of("scale")[i] * x.data[i]);
          case "Threshold": return each((i) => Number(x.data[i] > of("threshold")[i]));
          case "Flatten": return { shape: [x.data.length], data: x.data };
          case "Conv2d": return convolution(node, x);
          case "Conv1d": return convolution1d(node, x);
          case "SumPool2d": return pool(node, x, 1);
          case "AvgPool2d": return pool(node, x, 1 / (of("kernel_size")[0] * of("kernel_size")[1]));
          case "Delay": {
            const past = (state.past as unknown as Values[] | undefined) ?? [];
            (state as Record<string, unknown>).past = [...past, x.data];
            return each((i) => {
              const k = past.length - Math.round(of("delay")[i] / dt);
              return k === past.length ? x.data[i] : (past[k]?.[i] ?? 0);
            });
          }
          case "I":
          case "IF": {
            const v = memory("v");
            x.data.forEach((current, i) => (v[i] += dt * of("r")[i] * current));
            return type === "I" ? each((i) => v[i]) : fire(v);
          }
          case "LI":
          case "LIF": {
            const v = memory("v");
            x.data.forEach((current, i) => (v[i] += (dt / of("tau")[i]) * (of("v_leak")[i] - v[i] + of("r")[i] * current)));
            return type === "LI" ? each((i) => v[i]) : fire(v);
          }
          case "CubaLI":
          case "CubaLIF": {
            const [v, current] = [memory("v"), memory("i")];
            const w = node.has("w_in") ? of("w_in") : new Float64Array(v.length).fill(1);
            x.data.forEach((s, i) => {
              current[i] += (dt / of("tau_syn")[i]) * (-current[i] + w[i] * s);
              v[i] += (dt / of("tau_mem")[i]) * (of("v_leak")[i] - v[i] + of("r")[i] * current[i]);
            });
            return type === "CubaLI" ? each((i) => v[i]) : fire(v);
          }
          default: throw new Error(`the reference knows no ${type}`);
        }
      }
    },
  };
}

const zero = (node: Node): Signal => ({ shape: node.shape("r"), data: new Float64Array(node.of("r").length) });

/** All fields at once: the file is closed before another is written in its place. */
function nodeOf(group: Group): Node {
  const fields = new Map(group.keys().filter((field) => field !== "metadata").map((field) => {
    const { value, shape } = group.get(field) as Dataset;
    return [field, { shape: shape!, value, values: typeof value === "string" ? new Float64Array() : Float64Array.from((typeof value === "object" ? value : [value]) as ArrayLike<number>, Number) }];
  }));
  return { type: fields.get("type")!.value as string, has: (field) => fields.has(field), shape: (field) => fields.get(field)!.shape, of: (field) => fields.get(field)!.values };
}

function convolution(node: Node, { shape: [channels, height, width], data }: Signal): Signal {
  const [outputs, perGroup, kh, kw] = node.shape("weight");
  const [weight, bias] = [node.of("weight"), node.of("bias")];
  const two = (field: string): number[] => (node.of(field).length === 1 ? [node.of(field)[0], node.of(field)[0]] : [...node.of(field)]);
  const [[sy, sx], [py, px], [dy, dx]] = [two("stride"), two("padding"), two("dilation")];
  const [groups] = node.of("groups");
  const [h, w] = [Math.floor((height + 2 * py - dy * (kh - 1) - 1) / sy) + 1, Math.floor((width + 2 * px - dx * (kw - 1) - 1) / sx) + 1];
  const result = new Float64Array(outputs * h * w);
  for (let o = 0; o < outputs; o++) {
    const first = Math.floor(o / (outputs / groups)) * (channels / groups);
    for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) {
      let total = bias[o];
      for (let c = 0; c < perGroup; c++) for (let i = 0; i < kh; i++) for (let j = 0; j < kw; j++) {
        const [row, column] = [y * sy - py + i * dy, x * sx - px + j * dx];
        if (row >= 0 && row < height && column >= 0 && column < width) total += weight[((o * perGroup + c) * kh + i) * kw + j] * data[((first + c) * height + row) * width + column];
      }
      result[(o * h + y) * w + x] = total;
    }
  }
  return { shape: [outputs, h, w], data: result };
}

function convolution1d(node: Node, { shape: [channels, length], data }: Signal): Signal {
  const [outputs, perGroup, size] = node.shape("weight");
  const one = (field: string): number => node.of(field)[0];
  const [stride, padding, dilation, groups] = [one("stride"), one("padding"), one("dilation"), one("groups")];
  const lengths = Math.floor((length + 2 * padding - dilation * (size - 1) - 1) / stride) + 1;
  const result = new Float64Array(outputs * lengths);
  for (let o = 0; o < outputs; o++) for (let x = 0; x < lengths; x++) {
    let total = node.of("bias")[o];
    for (let c = 0; c < perGroup; c++) for (let k = 0; k < size; k++) {
      const at = x * stride - padding + k * dilation;
      const channel = Math.floor(o / (outputs / groups)) * (channels / groups) + c;
      if (at >= 0 && at < length) total += node.of("weight")[(o * perGroup + c) * size + k] * data[channel * length + at];
    }
    result[o * lengths + x] = total;
  }
  return { shape: [outputs, lengths], data: result };
}

function pool(node: Node, { shape: [channels, height, width], data }: Signal, factor: number): Signal {
  const [[kh, kw], [sy, sx], [py, px]] = ["kernel_size", "stride", "padding"].map((field) => [...node.of(field)]);
  const [h, w] = [Math.floor((height + 2 * py - kh) / sy) + 1, Math.floor((width + 2 * px - kw) / sx) + 1];
  const result = new Float64Array(channels * h * w);
  for (let c = 0; c < channels; c++) for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) {
    let total = 0;
    for (let i = 0; i < kh; i++) for (let j = 0; j < kw; j++) {
      const [row, column] = [y * sy - py + i, x * sx - px + j];
      if (row >= 0 && row < height && column >= 0 && column < width) total += data[(c * height + row) * width + column];
    }
    result[(c * h + y) * w + x] = total * factor;
  }
  return { shape: [channels, h, w], data: result };
}
