import { checkArgument, checkOptions, flag, fraction, kind, listOf, notNegative, optional, type OptionKinds, positive, required, withMethods } from "../check.ts";
import { type Device, deviceKind, type FusedKernel, type Tensor, tensorKind } from "../device/device.ts";
import { DeviceError, OptionError } from "../errors.ts";
import { plan } from "../fusion/plan.ts";
import { defineStep } from "../neuron/define.ts";
import { type Expr, sqrt } from "../neuron/expr.ts";
import { type Parameter, parameterKind } from "../nn/layer.ts";
import { type ParameterGroup, ratesOf } from "./groups.ts";

/**
 * How one weight changes, in the expression language: the compiler makes one in-place kernel of it. `slots` are the values that
 * the rule keeps for each weight, zero at first; `scalars` are numbers that differ from update to update.
 */
export interface Optimizer {
  readonly name: string;
  readonly options: Readonly<Record<string, number | boolean>>;
  readonly slots: readonly string[];
  /** The numbers of update `count` (from 1) at a learning rate factor. */
  scalars(factor: number, count: number): Record<string, number>;
  /** The weight p and its slots after the update, from the gradient g. `weightDecay` is 0 for weights that do not decay. */
  update(state: Record<string, Expr>, g: Expr, scalars: Record<string, Expr>, weightDecay: number): Record<string, Expr>;
}

export const optimizerKind = withMethods("an optimiser: adam({ lr: 0.001 })", "update", "scalars");

/** The optimiser at work on the parameters of one model. */
export class OptimizerRun {
  readonly optimizer: Optimizer;
  /** Updates done. */
  count = 0;
  readonly groups: readonly ParameterGroup[];
  /** Those that it changes: all but the frozen. */
  readonly parameters: readonly Parameter[];
  readonly #device: Device;
  readonly #entries: { parameter: Parameter; rate: number; kernel: FusedKernel; slots: Record<string, Tensor> }[];
  /** Of an update without `clip`. */
  readonly #one: Tensor;
  /** The numbers of an update, for each factor of the learning rate that a group has. */
  readonly #scalars: ReadonlyMap<number, Record<string, Tensor>>;
  /** The number that each of their tensors holds. */
  readonly #written = new Map<Tensor, number>();

  /** @throws OptionError for what is no optimiser, parameter, device or group, and for a group that names a parameter that there is not. */
  constructor(optimizer: Optimizer, parameters: readonly Parameter[], device: Device, groups: readonly ParameterGroup[] = []) {
    checkArgument("OptimizerRun", "optimizer", optimizer, optimizerKind);
    checkArgument("OptimizerRun", "parameters", parameters, listOf(parameterKind));
    checkArgument("OptimizerRun", "device", device, deviceKind);
    const rates = ratesOf(groups, parameters);
    this.optimizer = optimizer;
    this.groups = groups;
    this.parameters = parameters.filter(({ name }) => rates.get(name) !== 0);
    this.#device = device;
    this.#one = device.tensor(Float32Array.of(1), [1]);
    const names = Object.keys(optimizer.scalars(1, 1));
    const used = new Set(this.parameters.map(({ name }) => rates.get(name)!));
    this.#scalars = new Map([...used].map((rate) => [rate, Object.fromEntries(names.map((name) => [name, device.zeros([1])]))]));
    const kernels = [true, false].map((decays) => compile(optimizer, decays, device));
    this.#entries = this.parameters.map((parameter) => ({
      parameter,
      rate: rates.get(parameter.name)!,
      kernel: kernels[parameter.decay ? 0 : 1],
      slots: Object.fromEntries(optimizer.slots.map((slot) => [slot, device.zeros(parameter.value.shape)])),
    }));
  }

  /**
   * Updates every parameter in place from its gradient, times `clip` (a tensor [1]) where given. `factor` scales the learning rate.
   * @throws DeviceError if a parameter has no gradient.
   */
  step(factor = 1, clip?: Tensor): void {
    this.prepare(factor);
    this.count++;
    this.update(clip);
  }

  /** Brings the numbers of the next update to the device: what differs between updates. */
  prepare(factor = 1): void {
    checkArgument("optimizer.prepare", "factor", factor, notNegative);
    for (const [rate, scalars] of this.#scalars) {
      const values = this.optimizer.scalars(factor * rate, this.count + 1);
      for (const [name, tensor] of Object.entries(scalars)) {
        const value = Math.fround(values[name]);
        if (Object.is(this.#written.get(tensor), value)) continue;
        this.#device.write(tensor, Float32Array.of(value));
        this.#written.set(tensor, value);
      }
    }
  }

  /** As `step` once prepared: work for the device alone, the same for each update. It is left to the caller to count it. */
  update(clip?: Tensor): void {
    checkArgument("optimizer.update", "clip", clip, optional(tensorKind));
    for (const { parameter, rate, kernel, slots } of this.#entries) {
      const { name, value, gradient } = parameter;
      if (!gradient) throw new DeviceError(`optimiser ${this.optimizer.name}: parameter ${name} has no gradient; run a tape's backward first`);
      const buffers: Record<string, Tensor> = { g: gradient, clip: clip ?? this.#one, ...this.#scalars.get(rate), "state.p": value, "final.p": value };
      for (const [slot, tensor] of Object.entries(slots)) buffers[`state.${slot}`] = buffers[`final.${slot}`] = tensor;
      kernel.forward({ steps: 1, size: value.size, buffers });
    }
  }

  /** What the optimiser remembers between updates besides `count`, named "slot.parameter". The tensors are the optimiser's own. */
  state(): Record<string, Tensor> {
    return Object.fromEntries(
      this.#entries.flatMap(({ parameter, slots }) => Object.entries(slots).map(([slot, tensor]) => [`${slot}.${parameter.name}`, tensor])),
    );
  }

  dispose(): void {
    for (const tensor of [this.#one, ...[...this.#scalars.values()].flatMap((each) => Object.values(each)), ...Object.values(this.state())]) tensor.dispose();
  }
}

function compile(optimizer: Optimizer, decays: boolean, device: Device): FusedKernel {
  const weightDecay = decays ? Number(optimizer.options.weightDecay ?? 0) : 0;
  const names = ["clip", ...Object.keys(optimizer.scalars(1, 1))];
  const neuron = defineStep({
    name: optimizer.name,
    state: Object.fromEntries(["p", ...optimizer.slots].map((name) => [name, 0])),
    inputs: ["g"],
    params: Object.fromEntries(names.map((name) => [name, 0])),
    step: (state, { g }, scalars) => optimizer.update(state, g.mul(scalars.clip), scalars, weightDecay),
  });
  return device.kernel(plan({ neuron, steps: 1, outputs: {}, initialState: true, finalState: true }));
}

export interface SgdOptions {
  /** Learning rate. */
  lr: number;
  /** Default 0. */
  momentum?: number;
  /** Look ahead along the momentum (Nesterov; Sutskever et al., ICML 2013). Default false. */
  nesterov?: boolean;
  /** L2 penalty: added to the gradient. Default 0. */
  weightDecay?: number;
}

const sgdKinds: OptionKinds<SgdOptions> = { lr: required(positive), momentum: fraction, nesterov: flag, weightDecay: notNegative };

/**
 * Stochastic gradient descent with momentum, PyTorch's update: b ← momentum·b + g; p ← p − lr·b, or − lr·(g + momentum·b) with nesterov.
 * @throws OptionError for lr ≤ 0, momentum outside [0, 1), weightDecay < 0, nesterov without momentum, an option that there is not.
 */
export function sgd(options: SgdOptions): Optimizer {
  checkOptions("sgd", options, sgdKinds);
  const { lr, momentum = 0, nesterov = false, weightDecay = 0 } = options;
  if (nesterov && momentum === 0) throw new OptionError("sgd: nesterov needs a momentum above 0");
  return {
    name: "sgd", options: { lr, momentum, nesterov, weightDecay },
    slots: momentum > 0 ? ["momentum"] : [],
    scalars: (factor) => ({ lr: lr * factor }),
    update(state, gradient, scalars, decay): Record<string, Expr> {
      const { p } = state;
      const g = decay > 0 ? gradient.add(p.mul(decay)) : gradient;
      if (momentum === 0) return { p: p.sub(g.mul(scalars.lr)) };
      const next = state.momentum.mul(momentum).add(g);
      const direction = nesterov ? g.add(next.mul(momentum)) : next;
      return { p: p.sub(direction.mul(scalars.lr)), momentum: next };
    },
  };
}

export interface AdamOptions {
  /** Learning rate. Default 0.001. */
  lr?: number;
  /** Decay rates of the two moments. Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Default 1e-8. */
  eps?: number;
  /** Adam: added to the gradient, default 0. AdamW: taken from the weights, default 0.01. */
  weightDecay?: number;
}

const adamKinds: OptionKinds<AdamOptions> = {
  lr: positive,
  betas: kind("two numbers in [0, 1)", (x) => Array.isArray(x) && x.length === 2 && x.every(fraction.accepts)),
  eps: positive,
  weightDecay: notNegative,
};

/**
 * Adam with bias-corrected moments (Kingma & Ba, ICLR 2015), PyTorch's update.
 * @throws OptionError for lr ≤ 0, betas outside [0, 1), eps ≤ 0, weightDecay < 0, an option that there is not.
 */
export const adam = (options: AdamOptions = {}): Optimizer => adaptive("adam", options, 0);

/**
 * Adam with decoupled weight decay (Loshchilov & Hutter, ICLR 2019), PyTorch's update.
 * @throws OptionError as `adam` does.
 */
export const adamW = (options: AdamOptions = {}): Optimizer => adaptive("adamW", options, 0.01);

function adaptive(name: "adam" | "adamW", options: AdamOptions, defaultDecay: number): Optimizer {
  checkOptions(name, options, adamKinds);
  const { lr = 1e-3, betas: [beta1, beta2] = [0.9, 0.999], eps = 1e-8, weightDecay = defaultDecay } = options;
  const decoupled = name === "adamW";
  return {
    name, options: { lr, beta1, beta2, eps, weightDecay },
    slots: ["m", "v"],
    scalars: (factor, count) => ({
      lr: lr * factor,
      stepSize: (lr * factor) / (1 - beta1 ** count),
      correction: Math.sqrt(1 - beta2 ** count),
    }),
    update({ p, m, v }, gradient, { lr: rate, stepSize, correction }, decay) {
      const g = decay > 0 && !decoupled ? gradient.add(p.mul(decay)) : gradient;
      const kept = decay > 0 && decoupled ? p.sub(p.mul(rate.mul(decay))) : p;
      const nextM = m.add(g.sub(m).mul(1 - beta1));
      const nextV = v.mul(beta2).add(g.mul(g).mul(1 - beta2));
      const denominator = sqrt(nextV).div(correction).add(eps);
      return { p: kept.sub(nextM.div(denominator).mul(stepSize)), m: nextM, v: nextV };
    },
  };
}
