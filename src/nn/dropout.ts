import { checkArgument, fraction } from "../check.ts";
import type { Tensor } from "../device/device.ts";
import { defineStep } from "../neuron/define.ts";
import { elements, reshaped } from "./axes.ts";
import { Layer, type LayerOption } from "./layer.ts";
import { cut } from "./share.ts";
import { runStep } from "./step.ts";
import type { Tape } from "./tape.ts";
import type { Shape, Variable } from "./variable.ts";

/**
 * In training, sets each value of a sample to 0 with probability p and multiplies the others by 1/(1 − p); one mask for all T steps.
 * In evaluation, nothing. Srivastava et al., JMLR 2014.
 * @throws OptionError unless 0 ≤ p < 1.
 */
export const dropout = (p: number): Layer => new Dropout(p);

const masked = defineStep({ name: "dropout", state: {}, inputs: ["x", "mask"], step: (_, { x, mask }) => ({ y: x.mul(mask) }) });

class Dropout extends Layer {
  readonly kind = "dropout";
  readonly #p: number;

  constructor(p: number) {
    super();
    checkArgument("dropout", "p", p, fraction);
    this.#p = p;
  }

  override get description(): string {
    return `dropout(${this.#p})`;
  }

  override get trainingOptions(): Readonly<Record<string, LayerOption>> {
    return { p: this.#p };
  }

  override readableStates(): readonly string[] | undefined {
    return this.#p === 0 ? undefined : [];
  }

  protected override setUp(shape: Shape): Shape {
    return shape;
  }

  protected override run(tape: Tape, x: Variable): Variable {
    if (!tape.training || this.#p === 0) return x;
    const input = x.plain();
    const size = x.batch * elements(x.shape);
    const { carry } = tape;
    const mask = carry ? carry.mask(carry.nextCall(), () => this.#mask(tape, x.batch, size)) : this.#mask(tape, x.batch, size);
    const apply = (values: Tensor): Tensor => {
      const steps = values.size / size;
      if (values.dtype === "bf16") {
        using exact = tape.device.dense.cast(values, "f32");
        using result = apply(exact);
        return tape.device.dense.cast(result, "bf16");
      }
      const { y } = runStep(tape.device, masked, { inputs: { x: values, mask }, steps, size, varying: ["x"] });
      return reshaped(y, values.shape);
    };
    const [y] = tape.record({
      inputs: [input],
      outputs: [{ value: apply(input.value), shape: x.shape, time: x.time }],
      saved: carry ? [] : [mask],
      constantGradient: true,
      backward: ([g]) => [apply(g!)],
    });
    return y;
  }

  #mask(tape: Tape, batch: number, size: number): Tensor {
    if (tape.planning) return tape.device.empty([size]);
    const kept = 1 / (1 - this.#p);
    const { share } = tape;
    // Of a batch that lies on several ranks, all draw the whole mask: it is the same however many there are.
    const perSample = size / batch;
    const all = (share?.all ?? batch) * perSample;
    return tape.feed((random) => {
      const mask = new Float32Array(all);
      random.uniformInto(mask);
      for (let i = 0; i < all; i++) mask[i] = mask[i] < this.#p ? 0 : kept;
      return share ? cut(mask, share, perSample) : mask;
    }, [size]);
  }
}
