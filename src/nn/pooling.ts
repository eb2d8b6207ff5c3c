import { checkArgument, checkNone, checkOptions, integer } from "../check.ts";
import type { DenseMath, Tensor, Window2d } from "../device/device.ts";
import { elements, imagesOf, perImage, reshaped } from "./axes.ts";
import { Layer, type LayerOption } from "./layer.ts";
import type { Tape } from "./tape.ts";
import type { Shape, Variable } from "./variable.ts";
import { outputSize, type Size2d, sizeKind, type Window1dOptions, window1d, window2d, type WindowOptions } from "./window.ts";

/** Largest value of each window: [..., H, W, C] → [..., H', W', C]. Default stride: the window's size. @throws OptionError for sizes out of range. */
export const maxPool2d = (size: Size2d, options: WindowOptions = {}): Layer => pool2d("maxPool2d", size, options);

/** Mean of each window, zeros of the padding counted: [..., H, W, C] → [..., H', W', C]. Default stride: the window's size. @throws OptionError for sizes out of range. */
export const avgPool2d = (size: Size2d, options: WindowOptions = {}): Layer => pool2d("avgPool2d", size, options);

/** Sum of each window: [..., H, W, C] → [..., H', W', C]. Default stride: the window's size. @throws OptionError for sizes out of range. */
export const sumPool2d = (size: Size2d, options: WindowOptions = {}): Layer => pool2d("sumPool2d", size, options);

/** Mean over height and width: [..., H, W, C] → [..., C]. */
export const globalAvgPool2d = (...none: []): Layer => {
  checkNone("globalAvgPool2d", none);
  return new Pool("globalAvgPool2d", window2d("globalAvgPool2d", 1, 1, 0));
};

/** Largest value of each window of a sequence within a time step: [..., L, C] → [..., L', C]. Default stride: the window's size. @throws OptionError for sizes out of range. */
export const maxPool1d = (size: number, options: Window1dOptions = {}): Layer => pool1d("maxPool1d", size, options);

/** Mean of each window of a sequence, zeros of the padding counted: [..., L, C] → [..., L', C]. Default stride: the window's size. @throws OptionError for sizes out of range. */
export const avgPool1d = (size: number, options: Window1dOptions = {}): Layer => pool1d("avgPool1d", size, options);

/** Mean over a sequence within a time step: [..., L, C] → [..., C]. */
export const globalAvgPool1d = (...none: []): Layer => {
  checkNone("globalAvgPool1d", none);
  return new Pool("globalAvgPool1d", window1d("globalAvgPool1d", 1, 1, 0));
};

function pool2d(kind: "maxPool2d" | "avgPool2d" | "sumPool2d", size: Size2d, options: WindowOptions): Layer {
  checkArgument(kind, "size", size, sizeKind(1));
  checkOptions<WindowOptions>(kind, options, { stride: sizeKind(1), padding: sizeKind(0) });
  return new Pool(kind, window2d(kind, size, options.stride ?? size, options.padding ?? 0));
}

function pool1d(kind: "maxPool1d" | "avgPool1d", size: number, options: Window1dOptions): Layer {
  checkArgument(kind, "size", size, integer(1));
  checkOptions<Window1dOptions>(kind, options, { stride: integer(1), padding: integer(0) });
  return new Pool(kind, window1d(kind, size, options.stride ?? size, options.padding ?? 0));
}

/** The window over images; a sequence is an image of height 1. */
class Pool extends Layer {
  readonly kind: `${"maxPool" | "avgPool" | "globalAvgPool"}${1 | 2}d` | "sumPool2d";
  #window: Window2d;

  constructor(kind: Pool["kind"], window: Window2d) {
    super();
    this.kind = kind;
    this.#window = window;
  }

  /** Axes of a sample: [H, W, C] or [L, C]. */
  get #rank(): 2 | 3 {
    return this.kind.endsWith("2d") ? 3 : 2;
  }

  get #isGlobal(): boolean {
    return this.kind.startsWith("global");
  }

  /** What a mean of the window is multiplied by. */
  get #factor(): number {
    return this.kind === "sumPool2d" ? elements(this.#window.size) : 1;
  }

  override get description(): string {
    return this.#isGlobal ? this.kind : `${this.kind}(${this.#window.size.slice(1 - this.#rank).join("×")})`;
  }

  override get options(): Readonly<Record<string, LayerOption>> {
    return { ...this.#window };
  }

  override readableStates(): readonly string[] {
    return [];
  }

  protected override setUp(shape: Shape): Shape {
    this.expectShape(shape, this.#rank === 3 ? ["height", "width", "channels"] : ["length", "channels"]);
    const channels = shape[shape.length - 1];
    if (this.#isGlobal) {
      this.#window = this.#rank === 3 ? window2d(this.kind, [shape[0], shape[1]], 1, 0) : window1d(this.kind, shape[0], 1, 0);
      return [channels];
    }
    return [...outputSize(this.name, shape, this.#window), channels];
  }

  protected override run(tape: Tape, x: Variable): Variable {
    const { dense } = tape.device;
    const input = x.plain();
    const isMax = this.kind.startsWith("max");
    const pooled = perImage(input.value, this.#rank, (images) => (isMax ? dense.maxPool2d(images, this.#window) : dense.avgPool2d(images, this.#window)));
    if (this.#factor > 1) dense.scale(pooled, this.#factor);
    const leading = pooled.shape.slice(0, -this.#rank);
    const [y] = tape.record({
      inputs: [input],
      outputs: [{ value: reshaped(pooled, [...leading, ...this.outputShape]), shape: this.outputShape, time: x.time, isSpikes: isMax && input.isSpikes }],
      constantGradient: !isMax,
      backward: ([dy]) => [this.#backward(dense, input, dy!)],
    });
    return y;
  }

  #backward(dense: DenseMath, x: Variable, dy: Tensor): Tensor {
    const rank = this.#rank;
    const leading = dy.shape.slice(0, dy.shape.length - this.outputShape.length);
    const extents = outputSize(this.name, x.shape, this.#window);
    using pooled = dy.reshape([...leading, ...extents, x.shape[rank - 1]]);
    using dyImages = imagesOf(pooled, rank);
    const shape = [...leading, ...x.shape];
    if (this.kind.startsWith("max")) {
      using images = imagesOf(x.value, rank);
      return reshaped(dense.maxPool2dBackward(images, dyImages, this.#window), shape);
    }
    const dx = dense.avgPool2dBackward([elements(leading), ...(rank === 2 ? [1] : []), ...x.shape], dyImages, this.#window);
    if (this.#factor > 1) dense.scale(dx, this.#factor);
    return reshaped(dx, shape);
  }
}
