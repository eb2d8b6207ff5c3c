import { checkNone } from "../check.ts";
import { elements } from "./axes.ts";
import { Layer } from "./layer.ts";
import type { Tape } from "./tape.ts";
import type { Shape, Variable } from "./variable.ts";

/** [..., H, W, C] → [..., H·W·C]: a view, no copy. */
export const flatten = (...none: []): Layer => {
  checkNone("flatten", none);
  return new Flatten();
};

class Flatten extends Layer {
  readonly kind = "flatten";

  override readableStates(): readonly string[] {
    return [];
  }

  protected override setUp(shape: Shape): Shape {
    return [elements(shape)];
  }

  protected override run(tape: Tape, x: Variable): Variable {
    const input = x.plain();
    const shape = [elements(x.shape)];
    const leading = input.value.shape.slice(0, input.value.shape.length - x.shape.length);
    const [y] = tape.record({
      inputs: [input],
      outputs: [{ value: input.value.reshape([...leading, ...shape]), shape, time: x.time }],
      constantGradient: true,
      passesGradient: true,
      backward: ([g]) => [g!.reshape([...g!.shape.slice(0, -1), ...x.shape])],
    });
    return y;
  }
}
