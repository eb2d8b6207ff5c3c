import type { Tensor } from "../device/device.ts";
import type { Variable } from "./variable.ts";

/** What activations are stored as. */
export type ActivationType = "f32" | "bf16";

/** A variable with its value as another type; its gradient comes back as its own. */
export function cast(x: Variable, dtype: ActivationType): Variable {
  const input = x.plain();
  const own = input.value.dtype as ActivationType;
  if (own === dtype) return input;
  const { tape, shape, time } = input;
  const [y] = tape.record({
    inputs: [input],
    outputs: [{ value: tape.device.dense.cast(input.value, dtype), shape, time }],
    constantGradient: true,
    passesGradient: true,
    backward: ([g]) => [g!.dtype === own ? g : tape.device.dense.cast(g!, own)],
  });
  return y;
}

/** `use` of a tensor as another type, which lives no longer than that. */
export function withType<Result>(x: Tensor, dtype: ActivationType, use: (x: Tensor) => Result): Result {
  if (x.dtype === dtype) return use(x);
  using typed = x.device.dense.cast(x, dtype);
  return use(typed);
}
