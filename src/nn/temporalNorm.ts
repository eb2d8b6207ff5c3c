import { checkArgument, finite, integer, positive } from "../check.ts";
import { ShapeError } from "../errors.ts";
import type { Tensor } from "../device/device.ts";
import { BatchNorm, type BatchNormOptions, checkBatchNorm } from "./batchNorm.ts";
import { reshaped, sumOverTime } from "./axes.ts";
import type { BuildContext, Layer, LayerOption, Parameter } from "./layer.ts";
import { accumulate, constantParameter } from "./parameter.ts";
import type { Tape } from "./tape.ts";
import type { Shape, Variable } from "./variable.ts";

export interface TdBNOptions extends Omit<BatchNormOptions, "init"> {
  /** Share of a layer in the sum that its neurons receive: 1/√2 where two branches meet. Default 1. */
  alpha?: number;
  /** V_th, the threshold of the neurons that follow. Default 1. */
  threshold?: number;
}

/**
 * Threshold-dependent batch normalisation of each channel (the last axis) over time, batch and space: as `batchNorm2d`, but γ starts with α·V_th, so that what the neurons receive
 * has the spread of their threshold. As SpikingJelly's `ThresholdDependentBatchNorm2d`; Zheng et al., AAAI 2021. A spiking layer that follows takes it into its kernel.
 * @throws OptionError for options out of range.
 */
export const tdBN = (channels: number, options: TdBNOptions = {}): Layer => {
  checkBatchNorm("tdBN", channels, options, { alpha: finite, threshold: positive });
  const { alpha = 1, threshold = 1, ...rest } = options;
  return new BatchNorm("tdBN", channels, { ...rest, init: alpha * threshold });
};

/**
 * Temporal effective batch normalisation: `batchNorm2d`, times a learnt scale for each of the `steps` time steps, 1 at first: `scale` [T]. As SpikingJelly's
 * `TemporalEffectiveBatchNorm2d`; Duan et al., NeurIPS 2022. It runs for that T alone. Its statistics and scales are computed before the kernel of the spiking layer that follows.
 * @throws OptionError for options out of range; ShapeError, in a pass, for another T.
 */
export const tebn = (steps: number, channels: number, options: BatchNormOptions = {}): Layer => {
  checkArgument("tebn", "steps", steps, integer(1));
  checkBatchNorm("tebn", channels, options, { init: finite });
  return new TemporalEffectiveBatchNorm(steps, channels, options);
};

class TemporalEffectiveBatchNorm extends BatchNorm {
  readonly #steps: number;
  #scale: Parameter | undefined;

  constructor(steps: number, channels: number, options: BatchNormOptions) {
    super("tebn", channels, options);
    this.#steps = steps;
  }

  override get options(): Readonly<Record<string, LayerOption>> {
    return { ...super.options, steps: this.#steps };
  }

  override parameters(): Parameter[] {
    return this.#scale ? [...super.parameters(), this.#scale] : [];
  }

  protected override setUp(shape: Shape, context: BuildContext): Shape {
    const output = super.setUp(shape, context);
    this.#scale = constantParameter(context, "scale", this.#steps, 1);
    return output;
  }

  protected override run(tape: Tape, x: Variable): Variable {
    if (x.time === "none") throw new ShapeError(`${this.name}: its input has no time axis; it cannot follow a read-out`);
    if (tape.totalSteps !== this.#steps) throw new ShapeError(`${this.name}: it has a scale for each of ${this.#steps} time steps, this pass has T = ${tape.totalSteps}: build the model for such passes, or use batchNorm2d`);
    return scaleSteps(tape, super.run(tape, x), this.#scale!);
  }
}

/** y[t] = scale[t]·x[t]. The tape may have some of the steps. */
function scaleSteps(tape: Tape, x: Variable, scale: Parameter): Variable {
  const { dense } = tape.device;
  const { steps, carry } = tape;
  const input = x.plain();
  const { size } = scale.value;
  const selection = carry && tape.constant(Float32Array.from({ length: size * steps }, (_, i) => (Math.floor(i / steps) === carry.from + (i % steps) ? 1 : 0)), [size, steps]);
  const factors = selection ? selected(scale.value, selection) : scale.value.reshape(scale.value.shape);
  const full = (): Tensor => {
    if (input.time === "varying") return input.value.reshape(input.value.shape);
    using single = input.value.reshape(input.value.shape.slice(1));
    return dense.repeatFirst(single, steps, 1);
  };
  using values = full();
  const [y] = tape.record({
    inputs: [input],
    outputs: [{ value: dense.scaleFirst(values, factors), shape: input.shape, time: "varying" }],
    saved: selection ? [factors, selection] : [factors],
    learns: [scale],
    backward: ([dy]) => {
      using given = full();
      const dFactors = dense.dotsFirst(given, dy!);
      accumulate(scale, selection ? placed(dFactors, selection) : dFactors);
      const dx = dense.scaleFirst(dy!, factors);
      if (input.time === "varying") return [dx];
      const sum = sumOverTime(dx, steps);
      dx.dispose();
      return [sum];
    },
  });
  return y;
}

/** The values of [T] at the ones of selection [T, S], as [S]. */
function selected(values: Tensor, selection: Tensor): Tensor {
  using row = values.reshape([1, values.size]);
  const chosen = values.device.dense.linear(row, selection);
  return reshaped(chosen, [chosen.size]);
}

/** [S] at their places in [T], zeros elsewhere. */
function placed(values: Tensor, selection: Tensor): Tensor {
  using column = reshaped(values, [values.size, 1]);
  const all = values.device.dense.linear(selection, column);
  return reshaped(all, [all.size]);
}
