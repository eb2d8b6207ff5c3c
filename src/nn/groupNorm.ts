import { checkArgument, checkOptions, integer, positive } from "../check.ts";
import { OptionError } from "../errors.ts";
import { elements, leadingAxes, reshaped } from "./axes.ts";
import { copied } from "./gradients.ts";
import { type BuildContext, Layer, type LayerOption, type Parameter } from "./layer.ts";
import { accumulate, constantParameter } from "./parameter.ts";
import { Sum } from "./sum.ts";
import type { Tape } from "./tape.ts";
import type { Shape, Variable } from "./variable.ts";

export interface NormOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
}

/**
 * Layer normalisation over the channels (the last axis) of each position, sample and time step: z = γ·(x − mean)/√(var + eps) + β with γ and β of each channel, as PyTorch's
 * `LayerNorm(channels)` on channels-last activations. Ba, Kiros and Hinton, 2016. z = γ·x̂ + β is left to the kernel of a spiking layer that follows.
 * @throws OptionError for options out of range.
 */
export const layerNorm = (channels: number, options: NormOptions = {}): Layer => {
  checkArgument("layerNorm", "channels", channels, integer(1));
  checkOptions<NormOptions>("layerNorm", options, { eps: positive });
  return new Norm("layerNorm", 1, channels, options);
};

/**
 * Group normalisation of each sample and time step: the channels (the last axis) fall into `groups` equal runs, and each is normalised over space and its channels, as by PyTorch's
 * `GroupNorm(groups, channels)`: z = γ·(x − mean)/√(var + eps) + β with γ and β of each channel. Wu and He, ECCV 2018. z = γ·x̂ + β is left to the kernel of a spiking layer that follows.
 * @throws OptionError for options out of range, and groups that do not divide the channels.
 */
export const groupNorm = (groups: number, channels: number, options: NormOptions = {}): Layer => {
  checkArgument("groupNorm", "groups", groups, integer(1));
  checkArgument("groupNorm", "channels", channels, integer(1));
  checkOptions<NormOptions>("groupNorm", options, { eps: positive });
  if (channels % groups !== 0) throw new OptionError(`groupNorm: ${channels} channels do not fall into ${groups} groups`);
  return new Norm("groupNorm", groups, channels, options);
};

class Norm extends Layer {
  readonly kind: "layerNorm" | "groupNorm";
  readonly #groups: number;
  readonly #channels: number;
  readonly #eps: number;
  #affine: { gamma: Parameter; beta: Parameter } | undefined;

  constructor(kind: "layerNorm" | "groupNorm", groups: number, channels: number, { eps = 1e-5 }: NormOptions) {
    super();
    this.kind = kind;
    this.#groups = groups;
    this.#channels = channels;
    this.#eps = eps;
  }

  override get description(): string {
    return `${this.kind}(${this.kind === "groupNorm" ? `${this.#groups}, ` : ""}${this.#channels})`;
  }

  override get options(): Readonly<Record<string, LayerOption>> {
    return { eps: this.#eps };
  }

  override parameters(): Parameter[] {
    return this.#affine ? [this.#affine.gamma, this.#affine.beta] : [];
  }

  override readableStates(): readonly string[] {
    return [];
  }

  protected override setUp(shape: Shape, context: BuildContext): Shape {
    this.expectShape(shape, [...shape.slice(0, -1), this.#channels]);
    this.#affine = { gamma: constantParameter(context, "weight", this.#channels, 1), beta: constantParameter(context, "bias", this.#channels, 0) };
    return shape;
  }

  protected override run(tape: Tape, x: Variable): Variable {
    const [scale, shift] = this.#coefficients(tape, x);
    return new Sum(tape, [{ variable: this.#normalized(tape, x), affine: { scale, shift } }]);
  }

  /** x̂ = (x − mean)/√(var + eps). */
  #normalized(tape: Tape, x: Variable): Variable {
    const { dense } = tape.device;
    const input = x.plain();
    // Of a layer norm each position is a sample of its own.
    const samples = this.kind === "layerNorm" ? input.value.size / this.#channels : elements(leadingAxes(input.value, x.shape.length));
    const shape = [samples, input.value.size / samples / this.#channels, this.#channels];
    using rows = input.value.reshape(shape);
    const { y, scale } = dense.groupNorm(rows, this.#groups, this.#eps);
    const normalized: Variable = tape.record({
      inputs: [input],
      outputs: [{ value: reshaped(y, input.value.shape), shape: x.shape, time: x.time }],
      saved: [scale],
      backward: ([dy]) => {
        using result = normalized.value.reshape(shape);
        using slope = dy!.reshape(shape);
        return [reshaped(dense.groupNormBackward(result, scale, slope), input.value.shape)];
      },
    })[0];
    return normalized;
  }

  /** γ and β as variables: whoever computes γ·x̂ + β has their gradients. */
  #coefficients(tape: Tape, x: Variable): Variable[] {
    const parameters = Object.values(this.#affine!);
    return tape.record({
      inputs: [x],
      outputs: parameters.map(({ value }) => ({ value: value.reshape(value.shape), shape: value.shape, time: "none" as const })),
      learns: parameters,
      backward: (gradients) => {
        parameters.forEach((parameter, i) => accumulate(parameter, copied(gradients[i]!)));
        return [];
      },
    });
  }
}
