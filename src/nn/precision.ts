import type { OperationTape } from "./operation.ts";
import type { Variable } from "./variable.ts";

/** What activations are stored as. */
export type ActivationType = "f32" | "bf16";

/** A variable with its value as another type; its gradient comes back as its own. */
export function cast(tape: OperationTape, x: Variable, dtype: ActivationType): Variable {
  const input = x.plain();
  const own = input.value.dtype as ActivationType;
  if (own === dtype) return input;
  const { shape, time } = input;
  const [y] = tape.record({
    inputs: [input],
    outputs: [{ value: tape.device.dense.cast(input.value, dtype), shape, time }],
    constantGradient: true,
    passesGradient: true,
    backward: ([g]) => [g!.dtype === own ? g : tape.device.dense.cast(g!, own)],
  });
  return y;
}
