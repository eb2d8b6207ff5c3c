import { checkArgument, checkOptions, finite, integer, type OptionKinds, positive, share } from "../check.ts";
import type { Tensor } from "../device/device.ts";
import { OptionError } from "../errors.ts";
import { defineStep, type Neuron } from "../neuron/define.ts";
import { sqrt } from "../neuron/expr.ts";
import { elements } from "./axes.ts";
import { type BuildContext, type Buffer, Layer, type LayerOption, type Parameter } from "./layer.ts";
import { accumulate, constantBuffer, constantParameter } from "./parameter.ts";
import { copied } from "./gradients.ts";
import { momentsOverRanks, sumOverRanks, timesAll, weightOf } from "./statistics.ts";
import { runStep } from "./step.ts";
import { Sum } from "./sum.ts";
import type { Tape } from "./tape.ts";
import type { Shape, Variable } from "./variable.ts";

export interface BatchNormOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Share of the new statistics in the running ones. Default 0.1. */
  momentum?: number;
  /** What every γ starts with; 0 silences the branch that ends here, at first. Default 1. */
  init?: number;
}

/**
 * Batch normalisation of each channel (the last axis) over time, batch and space: z = γ·(y − mean)/√(var + eps) + β, as PyTorch's
 * `BatchNorm2d` on merged [T·B, ...]; in evaluation with the running statistics. Ioffe & Szegedy, ICML 2015.
 *
 * It computes scale and shift only; z = scale·y + shift is left to the kernel of the spiking layer that follows.
 * @throws OptionError for options out of range.
 */
export const batchNorm2d = (channels: number, options: BatchNormOptions = {}): Layer => {
  checkBatchNorm("batchNorm2d", channels, options, { init: finite });
  return new BatchNorm("batchNorm2d", channels, options);
};

/** @throws OptionError, naming the layer, for options out of range. */
export function checkBatchNorm<T extends object>(kind: string, channels: number, options: T, others: OptionKinds<Omit<T, "eps" | "momentum">>): void {
  checkArgument(kind, "channels", channels, integer(1));
  checkOptions(kind, options, { eps: positive, momentum: share, ...others } as unknown as OptionKinds<T>);
}

export class BatchNorm extends Layer {
  readonly kind: string;
  readonly #channels: number;
  readonly #eps: number;
  readonly #momentum: number;
  readonly #init: number;
  readonly #evaluation: Neuron;
  readonly #forward: Neuron;
  readonly #backward: Neuron;
  readonly #backwardOverRanks: Neuron;
  #state: { gamma: Parameter; beta: Parameter; mean: Buffer; variance: Buffer } | undefined;

  constructor(kind: string, channels: number, { eps = 1e-5, momentum = 0.1, init = 1 }: BatchNormOptions) {
    super();
    this.kind = kind;
    this.#channels = channels;
    this.#eps = eps;
    this.#momentum = momentum;
    this.#init = init;
    this.#evaluation = evaluationStep(eps);
    this.#forward = forwardStep(eps, momentum);
    this.#backward = backwardStep(eps, false);
    this.#backwardOverRanks = backwardStep(eps, true);
  }

  override get description(): string {
    return `${this.kind}(${this.#channels})`;
  }

  override get options(): Readonly<Record<string, LayerOption>> {
    return { eps: this.#eps };
  }

  override get trainingOptions(): Readonly<Record<string, LayerOption>> {
    return { momentum: this.#momentum };
  }

  override parameters(): Parameter[] {
    return this.#state ? [this.#state.gamma, this.#state.beta] : [];
  }

  override buffers(): Buffer[] {
    return this.#state ? [this.#state.mean, this.#state.variance] : [];
  }

  override readableStates(): readonly string[] {
    return [];
  }

  protected override setUp(shape: Shape, context: BuildContext): Shape {
    this.expectShape(shape, [...shape.slice(0, -1), this.#channels]);
    this.#state = {
      gamma: constantParameter(context, "weight", this.#channels, this.#init),
      beta: constantParameter(context, "bias", this.#channels, 0),
      mean: constantBuffer(context, "runningMean", this.#channels, 0),
      variance: constantBuffer(context, "runningVariance", this.#channels, 1),
    };
    return shape;
  }

  protected override run(tape: Tape, x: Variable): Variable {
    const y = x.plain();
    if (tape.training && tape.carry?.keepsTime && !tape.statistics) throw new OptionError(`${this.name}: its statistics are over all time steps and samples, of which a time chunk has a part: train with syncBatchNorm: true and microBatches: 1, or use layerNorm or groupNorm`);
    const [scale, shift] = tape.training ? this.#batchStatistics(tape, y) : this.#runningStatistics(tape, y);
    return new Sum(tape, [{ variable: y, affine: { scale, shift } }]);
  }

  #runningStatistics(tape: Tape, y: Variable): Variable[] {
    const { gamma, beta, mean, variance } = this.#state!;
    const inputs = { mean: mean.value, variance: variance.value, gamma: gamma.value, beta: beta.value };
    const { scale, shift } = runStep(tape.device, this.#evaluation, { inputs, size: this.#channels });
    return tape.record({ inputs: [y], outputs: [perChannel(scale), perChannel(shift)], backward: () => [] });
  }

  /**
   * Of a channel with n values y, mean m and variance v: scale s = γ/√(v + eps), shift b = β − m·s. The kernel that computes
   * z = s·y + b gives s·∂z as the gradient of y and G_s = Σ∂z·y, G_b = Σ∂z as those of s and b. As b holds −m·s, the whole gradient
   * of s is G = G_s − m·G_b, so dγ = G/√(v + eps) and dβ = G_b. Through the statistics, with ∂m/∂y = 1/n, ∂v/∂y = 2(y − m)/n,
   * ∂L/∂m = −s·G_b and ∂L/∂v = −½·s·G/(v + eps), the gradient of y gains d·y + c where
   *
   *     d = −s·G/(n·(v + eps)),  c = −s·G_b/n − d·m.
   *
   * Of a y that is constant over time, n counts the stored values: its gradients are sums over T already. Where the statistics are those of several ranks, so are n, G_s and G_b, but for
   * dγ and dβ, which are summed over the ranks with the gradients of all parameters.
   */
  #batchStatistics(tape: Tape, y: Variable): Variable[] {
    const { device, statistics } = tape;
    const { gamma, beta, mean: runningMean, variance: runningVariance } = this.#state!;
    const size = this.#channels;
    const stored = (elements(y.value.shape) / size) * (statistics ? timesAll(statistics) : 1);
    const count = y.time === "constant" ? stored * tape.steps : stored;
    // Numbers that depend on the size of the batch: arguments, so that one kernel serves all sizes.
    const varianceShare = tape.constant(Float32Array.of((this.#momentum * count) / Math.max(count - 1, 1)), [1]);
    // What stands in for nothing has no part in the statistics.
    const negativeShare = tape.constant(Float32Array.of(statistics?.own === 0 ? 0 : -1 / stored), [1]);
    const moments = device.dense.channelMoments(y.value);
    using weight = statistics && tape.constant(Float32Array.of(weightOf(statistics)), [1]);
    const { mean, variance } = statistics ? momentsOverRanks(statistics.group, weight!, moments) : moments;
    const { scale, shift } = runStep(device, this.#forward, {
      inputs: { mean, variance, gamma: gamma.value, beta: beta.value, varianceShare },
      states: { runningMean: runningMean.value, runningVariance: runningVariance.value },
      size,
    });
    return tape.record({
      inputs: [y],
      outputs: [perChannel(scale), perChannel(shift)],
      saved: [mean, variance, varianceShare, negativeShare],
      learns: [gamma, beta],
      backward: ([dScale, dShift], soFar) => {
        const sums = statistics && { allScale: copied(dScale!), allShift: copied(dShift!) };
        if (sums) sumOverRanks(statistics.group, sums.allScale, sums.allShift);
        const { dGamma, dBeta, d, c, one } = runStep(device, sums ? this.#backwardOverRanks : this.#backward, {
          inputs: { mean, variance, gamma: gamma.value, dScale: dScale!, dShift: dShift!, negativeShare, ...sums },
          size,
        });
        for (const sum of Object.values(sums ?? {})) sum.dispose();
        accumulate(gamma, dGamma);
        accumulate(beta, dBeta);
        const direct = soFar(0);
        const dy = !y.requiresGradient ? undefined : direct ? device.dense.channelAffine(direct, one, c, y.value, d) : device.dense.channelAffine(y.value, d, c);
        for (const tensor of [direct, d, c, one]) tensor?.dispose();
        return [dy];
      },
    });
  }
}

const perChannel = (value: Tensor) => ({ value, shape: value.shape, time: "none" as const });

const evaluationStep = (eps: number): Neuron => defineStep({
  name: "batchNormEvaluation", state: {}, inputs: ["mean", "variance", "gamma", "beta"],
  step(_, { mean, variance, gamma, beta }) {
    const scale = gamma.div(sqrt(variance.add(eps)));
    return { scale, shift: beta.sub(mean.mul(scale)) };
  },
});

/** The running variance is the unbiased one, as in PyTorch: `varianceShare` is momentum·n/(n − 1). */
const forwardStep = (eps: number, momentum: number): Neuron => defineStep({
  name: "batchNorm", state: { runningMean: 0, runningVariance: 1 }, inputs: ["mean", "variance", "gamma", "beta"], params: { varianceShare: momentum },
  step({ runningMean, runningVariance }, { mean, variance, gamma, beta }, { varianceShare }) {
    const scale = gamma.div(sqrt(variance.add(eps)));
    return {
      scale,
      shift: beta.sub(mean.mul(scale)),
      runningMean: runningMean.mul(1 - momentum).add(mean.mul(momentum)),
      runningVariance: runningVariance.mul(1 - momentum).add(variance.mul(varianceShare)),
    };
  },
});

/** `negativeShare` is −1/n; `overRanks`: the sums of all ranks are inputs beside those of this one. */
const backwardStep = (eps: number, overRanks: boolean): Neuron => defineStep({
  name: overRanks ? "batchNormBackwardOverRanks" : "batchNormBackward", state: {}, params: { negativeShare: -1 },
  inputs: ["mean", "variance", "gamma", "dScale", "dShift", ...(overRanks ? ["allScale", "allShift"] : [])],
  step(_, inputs, { negativeShare }) {
    const { mean, variance, gamma, dScale, dShift } = inputs;
    const { allScale, allShift } = overRanks ? inputs : { allScale: dScale, allShift: dShift };
    const spread = variance.add(eps);
    const deviation = sqrt(spread);
    const scale = gamma.div(deviation);
    const own = dScale.sub(mean.mul(dShift));
    const all = overRanks ? allScale.sub(mean.mul(allShift)) : own;
    const d = scale.mul(all).div(spread).mul(negativeShare);
    return { dGamma: own.div(deviation), dBeta: dShift, d, c: scale.mul(allShift).mul(negativeShare).sub(d.mul(mean)), one: 1 };
  },
});
