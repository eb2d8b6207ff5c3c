import type { Tensor } from "../../device/device.ts";
import { elements, merged, reshaped } from "../axes.ts";
import { type Init, initialParameters } from "../init.ts";
import { type BuildContext, Layer, type LayerOption, type Parameter } from "../layer.ts";
import { accumulate } from "../parameter.ts";
import { cast } from "../precision.ts";
import type { Tape } from "../tape.ts";
import type { Shape, Variable } from "../variable.ts";

export interface PooledLinearOptions {
  /** The map is averaged to grid × grid positions. */
  grid: number;
  channels: number;
  outputs: number;
  init: Init;
}

/**
 * PyTorch's adaptive average pooling to grid × grid, then a linear layer of all of it: [..., H, W, C] → [..., outputs], weight [grid²·C, outputs]. Both are linear, so the pooling is applied to
 * the weight, once instead of for each of T·B samples: y = (P·x)·W = x·(Pᵀ·W).
 */
export const pooledLinear = (options: PooledLinearOptions): Layer => new PooledLinear(options);

class PooledLinear extends Layer {
  readonly kind = "pooledLinear";
  readonly #given: PooledLinearOptions;
  readonly #parameters: Parameter[] = [];
  /** Pᵀ [H·W, grid²]; none where it is the identity. */
  #pooling: Float32Array | undefined;

  constructor(options: PooledLinearOptions) {
    super();
    this.#given = options;
  }

  override get description(): string {
    const { grid, channels, outputs } = this.#given;
    return `pooledLinear(${grid}×${grid}×${channels}, ${outputs})`;
  }

  override get options(): Readonly<Record<string, LayerOption>> {
    return { grid: this.#given.grid };
  }

  override parameters(): Parameter[] {
    return this.#parameters;
  }

  override readableStates(): readonly string[] {
    return [];
  }

  protected override setUp(shape: Shape, context: BuildContext): Shape {
    const { grid, channels, outputs, init } = this.#given;
    this.expectShape(shape, ["height", "width", channels]);
    const [height, width] = shape;
    if (height !== grid || width !== grid) this.#pooling = transposedPooling(height, width, grid);
    this.#parameters.push(...initialParameters(context, [grid * grid * channels, outputs], true, init));
    return [outputs];
  }

  protected override run(tape: Tape, x: Variable): Variable {
    const { device } = tape;
    const { outputs } = this.#given;
    const input = cast(tape, x, this.activationType);
    const [weight, bias] = this.#parameters;
    const pooling = this.#pooling && device.tensor(this.#pooling, [elements(x.shape.slice(0, 2)), this.#given.grid ** 2]);
    const folded = pooling ? this.#folded(pooling, weight.value) : weight.value.reshape(weight.value.shape);
    const rows = flattened(input.value);
    const value = this.dense(tape).linear(rows, folded, bias.value);
    rows.dispose();
    const [y] = tape.record({
      inputs: [input],
      outputs: [{ value: reshaped(value, [...input.value.shape.slice(0, -3), outputs]), shape: [outputs], time: input.time }],
      saved: pooling ? [folded, pooling] : [folded],
      learns: this.#parameters,
      backward: ([dy]) => [this.#backward(tape, input, folded, pooling, dy!)],
    });
    return y;
  }

  /** The weight as a matrix with a row for each position of the grid. */
  #byPosition = (weight: Tensor): Tensor => weight.reshape([this.#given.grid ** 2, this.#given.channels * this.#given.outputs]);

  /** Pᵀ·W, [H·W·C, outputs], in f32 whatever the precision: it is the weight of what follows. */
  #folded(pooling: Tensor, weight: Tensor): Tensor {
    const { channels, outputs } = this.#given;
    const byPosition = this.#byPosition(weight);
    const product = pooling.device.dense.linear(pooling, byPosition);
    byPosition.dispose();
    return reshaped(product, [pooling.shape[0] * channels, outputs]);
  }

  #backward(tape: Tape, x: Variable, folded: Tensor, pooling: Tensor | undefined, dy: Tensor): Tensor | undefined {
    const [weight, bias] = this.#parameters;
    const [rows, dyRows] = [flattened(x.value), merged(dy, 1)];
    const { dx, dw, db } = this.dense(tape).linearBackward(rows, folded, dyRows, { input: x.requiresGradient, bias: true });
    for (const view of [rows, dyRows]) view.dispose();
    accumulate(bias, db!);
    if (pooling) {
      const [byPosition, dFolded] = [this.#byPosition(weight.value), reshaped(dw, [pooling.shape[0], this.#given.channels * this.#given.outputs])];
      const { dw: dWeight } = tape.device.dense.linearBackward(pooling, byPosition, dFolded, { input: false, bias: false });
      for (const used of [byPosition, dFolded]) used.dispose();
      accumulate(weight, reshaped(dWeight, weight.value.shape));
    } else accumulate(weight, dw);
    return dx && reshaped(dx, x.value.shape);
  }
}

/** [..., H, W, C] as [M, H·W·C]. */
const flattened = (x: Tensor): Tensor => x.reshape([elements(x.shape.slice(0, -3)), elements(x.shape.slice(-3))]);

/** Position i of the grid is the mean over [⌊i·n/grid⌋, ⌈(i + 1)·n/grid⌉) of the n along each axis. */
function transposedPooling(height: number, width: number, grid: number): Float32Array {
  const range = (i: number, length: number): [number, number] => [Math.floor((i * length) / grid), Math.ceil(((i + 1) * length) / grid)];
  const matrix = new Float32Array(height * width * grid * grid);
  for (let i = 0; i < grid; i++) {
    for (let j = 0; j < grid; j++) {
      const [top, bottom] = range(i, height);
      const [left, right] = range(j, width);
      for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) matrix[(y * width + x) * grid * grid + i * grid + j] = 1 / ((bottom - top) * (right - left));
    }
  }
  return matrix;
}
