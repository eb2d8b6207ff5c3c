import { ShapeError } from "../errors.ts";
import type { Tensor } from "../device/device.ts";
import { sumOverTime } from "./axes.ts";
import type { OperationTape } from "./operation.ts";
import { checkVariable, Deferred, type Variable } from "./variable.ts";

/** variable, or scale·variable + shift with one value per channel (the last axis). */
export interface Term {
  variable: Variable;
  affine?: { scale: Variable; shift: Variable };
}

/**
 * A sum of terms that the kernel of a spiking layer can take as it is; anything else that asks for the value gets it computed.
 */
export class Sum extends Deferred {
  readonly terms: readonly Term[];
  readonly #tape: OperationTape;

  constructor(tape: OperationTape, terms: readonly Term[]) {
    const [{ variable: first }] = terms;
    super(tape, {
      shape: first.shape,
      batch: first.batch,
      time: terms.some(({ variable }) => variable.time === "varying") ? "varying" : first.time,
      requiresGradient: terms.some(({ variable, affine }) => variable.requiresGradient || affine?.scale.requiresGradient),
    });
    this.#tape = tape;
    this.terms = terms;
  }

  protected override compute(): Variable {
    return this.terms.map((term) => affineValue(this.#tape, term)).reduce((a, b) => addition(this.#tape, a, b));
  }
}

/** The terms of a variable, for an operation that computes from them. */
export function takeTerms(x: Variable): readonly Term[] {
  if (x instanceof Sum && !x.computed) x.bypassed = true;
  return termsOf(x);
}

/** Of a sum that is not computed yet its own, of any other variable itself. */
const termsOf = (x: Variable): readonly Term[] => (x instanceof Sum && !x.computed ? x.terms : [{ variable: x.plain() }]);

/**
 * a + b, left to the spiking layer that follows. Sums of more than two terms are computed at once: a chain of residual blocks would
 * otherwise read every earlier one.
 * @throws ShapeError if the shapes differ, or only one of them has time.
 */
export function add(tape: OperationTape, a: Variable, b: Variable, where = "add"): Variable {
  checkVariable(where, "a", a, tape);
  checkVariable(where, "b", b, tape);
  if (a.shape.length !== b.shape.length || a.shape.some((length, i) => length !== b.shape[i])) {
    throw new ShapeError(`${where}: shapes to be added must be equal, got [${a.shape.join(", ")}] and [${b.shape.join(", ")}] (without time and batch)`);
  }
  if ((a.time === "none") !== (b.time === "none")) throw new ShapeError(`${where}: a value without time cannot be added to one at each time step`);
  if (tape.building) return tape.building.add(a, b);
  const sum = [a, b].flatMap(termsOf).length <= 2 ? new Sum(tape, [a, b].flatMap(takeTerms)) : new Sum(tape, [{ variable: a.plain() }, { variable: b.plain() }]);
  for (const part of [a, b]) if (part instanceof Deferred) sum.hold(part.takeHeld());
  return sum;
}

function affineValue(tape: OperationTape, { variable, affine }: Term): Variable {
  if (!affine) return variable;
  const { dense } = tape.device;
  const { scale, shift } = affine;
  const [result] = tape.record({
    inputs: [variable, scale, shift],
    outputs: [{ value: dense.channelAffine(variable.value, scale.value, shift.value), shape: variable.shape, time: variable.time }],
    backward([g]) {
      const none = tape.device.zeros(scale.shape);
      const dx = variable.requiresGradient ? dense.channelAffine(g!, scale.value, none) : undefined;
      none.dispose();
      return scale.requiresGradient ? [dx, dense.channelDots(g!, variable.value), dense.channelSums(g!)] : [dx];
    },
  });
  return result;
}

function addition(tape: OperationTape, a: Variable, b: Variable): Variable {
  const [first, second] = a.time === "varying" ? [a, b] : [b, a];
  using other = second.time === first.time ? second.value.reshape(second.value.shape) : repeated(second.value, tape.steps);
  const value = tape.device.dense.add(first.value, other);
  const inputs = [first, second];
  const [result] = tape.record({
    inputs,
    outputs: [{ value, shape: first.shape, time: first.time }],
    constantGradient: true,
    passesGradient: true,
    backward: ([g]) => inputs.map((x) => (x.time === first.time ? g : sumOverTime(g!, tape.steps))),
  });
  return result;
}

function repeated(x: Tensor, steps: number): Tensor {
  const single = x.reshape(x.shape.slice(1));
  const result = x.device.dense.repeatFirst(single, steps, 1);
  single.dispose();
  return result;
}
