import { checkArgument, finite, integer, positive } from "../check.ts";
import { ShapeError } from "../errors.ts";
import { BatchNorm, type BatchNormOptions, checkBatchNorm } from "./batchNorm.ts";
import { elements, reshaped, sumOverTime } from "./axes.ts";
import type { BuildContext, Layer, LayerOption, Parameter } from "./layer.ts";
import { accumulate, constantParameter } from "./parameter.ts";
import { cast } from "./precision.ts";
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

/**
 * y[t] = scale[t]·x[t], as the product of a diagonal matrix [T, T] with x [T, B·…]: it is read and written once, and T is small beside the products of any convolution.
 * Of a network that runs step by step, the tape has one of the steps.
 */
function scaleSteps(tape: Tape, x: Variable, scale: Parameter): Variable {
  const { device, steps, carry } = tape;
  const { dense } = device;
  const total = scale.value.size;
  const first = carry ? carry.step : 0;
  const input = cast(tape, x, "f32");
  const selection = Float32Array.from({ length: steps * total }, (_, i) => (i % total === first + Math.floor(i / total) ? 1 : 0));
  const selected = tape.constant(selection, [steps, total]);
  using back = tape.constant(Float32Array.from({ length: selection.length }, (_, i) => selection[(i % steps) * total + Math.floor(i / steps)]), [total, steps]);
  using none = device.zeros([total]);
  using scaled = dense.channelAffine(selected, scale.value, none);
  const diagonal = dense.linear(scaled, back);
  const rows = () => {
    if (input.time === "varying") return input.value.reshape([steps, input.value.size / steps]);
    using single = input.value.reshape([input.value.size]);
    return dense.repeatFirst(single, steps, 1);
  };
  const shape = [steps, input.batch, ...input.shape];
  using forward = rows();
  const [y] = tape.record({
    inputs: [input],
    outputs: [{ value: reshaped(dense.linear(diagonal, forward), shape), shape: input.shape, time: "varying" }],
    saved: [selected, diagonal],
    learns: true,
    backward: ([dy]) => {
      using x = rows();
      using slope = dy!.reshape([steps, elements(shape) / steps]);
      const { dx: dDiagonal, dw: dx } = dense.linearBackward(diagonal, x, slope, { input: true, bias: false });
      using along = dense.linear(dDiagonal!, selected);
      dDiagonal!.dispose();
      accumulate(scale, dense.channelDots(along, selected));
      const full = reshaped(dx, shape);
      if (input.time === "varying") return [full];
      const sum = sumOverTime(full, steps);
      full.dispose();
      return [sum];
    },
  });
  return y;
}
