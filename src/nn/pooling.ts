import { checkArgument, checkNone, checkOptions } from "../check.ts";
import type { DenseMath, Tensor, Window2d } from "../device/device.ts";
import { elements, merged, perSample, reshaped } from "./axes.ts";
import { Layer, type LayerOption } from "./layer.ts";
import type { Tape } from "./tape.ts";
import type { Shape, Variable } from "./variable.ts";
import { outputSize, type Size2d, sizeKind, window2d, type WindowOptions } from "./window.ts";

/** Largest value of each window: [..., H, W, C] → [..., H', W', C]. Default stride: the window's size. @throws OptionError for sizes out of range. */
export const maxPool2d = (size: Size2d, options: WindowOptions = {}): Layer => new Pool2d("maxPool2d", size, options);

/** Mean of each window, zeros of the padding counted: [..., H, W, C] → [..., H', W', C]. Default stride: the window's size. @throws OptionError for sizes out of range. */
export const avgPool2d = (size: Size2d, options: WindowOptions = {}): Layer => new Pool2d("avgPool2d", size, options);

/** Mean over height and width: [..., H, W, C] → [..., C]. */
export const globalAvgPool2d = (...none: []): Layer => {
  checkNone("globalAvgPool2d", none);
  return new Pool2d("globalAvgPool2d", 1, {});
};

class Pool2d extends Layer {
  readonly kind: "maxPool2d" | "avgPool2d" | "globalAvgPool2d";
  #window: Window2d;

  constructor(kind: "maxPool2d" | "avgPool2d" | "globalAvgPool2d", size: Size2d, options: WindowOptions) {
    super();
    checkArgument(kind, "size", size, sizeKind(1));
    checkOptions<WindowOptions>(kind, options, { stride: sizeKind(1), padding: sizeKind(0) });
    const { stride = size, padding = 0 } = options;
    this.kind = kind;
    this.#window = window2d(kind, size, stride, padding);
  }

  override get description(): string {
    return this.kind === "globalAvgPool2d" ? this.kind : `${this.kind}(${this.#window.size.join("×")})`;
  }

  override get options(): Readonly<Record<string, LayerOption>> {
    return { ...this.#window };
  }

  override readableStates(): readonly string[] {
    return [];
  }

  protected override setUp(shape: Shape): Shape {
    this.expectShape(shape, ["height", "width", "channels"]);
    const [height, width, channels] = shape;
    if (this.kind === "globalAvgPool2d") {
      this.#window = window2d(this.kind, [height, width], 1, 0);
      return [channels];
    }
    return [...outputSize(this.name, shape, this.#window), channels];
  }

  protected override run(tape: Tape, x: Variable): Variable {
    const { dense } = tape.device;
    const input = x.plain();
    const isMax = this.kind === "maxPool2d";
    const pooled = perSample(input.value, 3, (images) => (isMax ? dense.maxPool2d(images, this.#window) : dense.avgPool2d(images, this.#window)));
    const leading = pooled.shape.slice(0, -3);
    const [y] = tape.record({
      inputs: [input],
      outputs: [{ value: reshaped(pooled, [...leading, ...this.outputShape]), shape: this.outputShape, time: x.time, isSpikes: isMax && input.isSpikes }],
      constantGradient: !isMax,
      backward: ([dy]) => [this.#backward(dense, input, dy!)],
    });
    return y;
  }

  #backward(dense: DenseMath, x: Variable, dy: Tensor): Tensor {
    const { size, stride, padding } = this.#window;
    const leading = dy.shape.slice(0, dy.shape.length - this.outputShape.length);
    const [height, width, channels] = x.shape;
    const extents = [height, width].map((length, axis) => Math.floor((length + 2 * padding[axis] - size[axis]) / stride[axis]) + 1);
    const dyImages = dy.reshape([elements(leading), ...extents, channels]);
    const images = this.kind === "maxPool2d" ? merged(x.value, 3) : undefined;
    const dx = images ? dense.maxPool2dBackward(images, dyImages, this.#window) : dense.avgPool2dBackward([elements(leading), ...x.shape], dyImages, this.#window);
    for (const view of [images, dyImages]) view?.dispose();
    return reshaped(dx, [...leading, ...x.shape]);
  }
}
