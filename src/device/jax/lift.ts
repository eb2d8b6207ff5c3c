import "./workers.ts";
import { lax, nn, numpy as np } from "@jax-js/jax";
import "./probe.ts";
import { checkArgument, checkOptions, either, instanceOf, kind, text } from "../../check.ts";
import { NeuronError, ShapeError } from "../../errors.ts";
import { type Neuron, neuronKind } from "../../neuron/define.ts";
import type { Expr } from "../../neuron/expr.ts";
import type { OperationName } from "../../neuron/ops.ts";
import { operandsOf, postOrder } from "../../neuron/walk.ts";

/** An array, or a number for all neurons. */
export type Value = np.Array | number;
/** Arrays (or numbers) by the names of states, inputs, parameters, outputs. */
export type Values = Record<string, Value>;

const functions: Record<OperationName, (...args: never[]) => np.Array> = {
  add: np.add, sub: np.subtract, mul: np.multiply, div: np.divide, minimum: np.minimum, maximum: np.maximum,
  neg: np.negative, abs: np.absolute, floor: np.floor, sqrt: np.sqrt, exp: np.exp, expm1: np.expm1, log: np.log, log1p: np.log1p,
  tanh: np.tanh, sigmoid: nn.sigmoid, sin: np.sin, cos: np.cos, atan: np.atan, erf: lax.erf,
  greater: np.greater, greaterEqual: np.greaterEqual, less: np.less, lessEqual: np.lessEqual, equal: np.equal, notEqual: np.notEqual,
  logicalAnd: np.logicalAnd, logicalOr: np.logicalOr, logicalNot: np.logicalNot,
  where: np.where,
};

/**
 * One step of the neuron on jax-js arrays of any one shape: (state, inputs, params) → the next state and the outputs, by name.
 * Differentiable by `grad` and `vjp`; consumes its arguments, as jax-js functions do.
 */
export function liftStep(neuron: Neuron): (state: Values, inputs: Values, params?: Values) => Record<string, np.Array> {
  checkArgument("liftStep", "neuron", neuron, neuronKind, NeuronError);
  const roots = Object.values(neuron.next);
  const order = postOrder(roots, operandsHere);
  const read = new Set(order.flatMap(({ node }) => (node.kind === "leaf" ? [node.name] : [])));
  return (state, inputs, params = {}) => {
    checkValues(`liftStep: the state of ${neuron.name}`, state, Object.keys(neuron.state));
    checkValues(`liftStep: the inputs of ${neuron.name}`, inputs, neuron.inputs);
    checkValues(`liftStep: the parameters of ${neuron.name}`, params, Object.keys(neuron.params));
    const leaves = { state, input: inputs, param: { ...neuron.params, ...params } } as Record<string, Values>;
    const uses = new Map<Expr, number>();
    for (const x of [...order.flatMap(operandsHere), ...roots]) uses.set(x, (uses.get(x) ?? 0) + 1);

    const values = new Map<Expr, Value>();
    /** The value for one more use; the last use takes the array itself. */
    const take = (x: Expr): Value => {
      const value = values.get(x)!;
      const left = uses.get(x)! - 1;
      uses.set(x, left);
      return typeof value === "number" || left === 0 ? value : value.ref;
    };
    const compute = (x: Expr): Value => {
      const { node } = x;
      switch (node.kind) {
        case "constant": return node.value;
        case "leaf": return leafValue(neuron, node.role, leaves[node.role], node.name);
        case "detach": return lax.stopGradient(take(node.x));
        case "operation": {
          return functions[node.op](...(node.args.map(take) as never[]));
        }
        case "spike": {
          const u = array(take(node.u));
          const hard = np.where(node.strict ? np.greater(take(node.u), 0) : np.greaterEqual(take(node.u), 0), 1, 0);
          // The value is exactly 0 or 1; the derivative, by way of `soft`, exactly the surrogate's.
          const soft = u.mul(lax.stopGradient(take(derivativeOf(x))));
          return hard.add(soft.ref.sub(lax.stopGradient(soft)));
        }
      }
    };
    for (const x of order) values.set(x, compute(x));
    const results = Object.fromEntries(Object.entries(neuron.next).map(([name, root]) => [name, array(take(root))]));
    for (const group of [state, inputs, params]) {
      for (const [name, value] of Object.entries(group)) {
        if (typeof value !== "number" && !read.has(name)) value.dispose();
      }
    }
    return results;
  };
}

export interface ToJaxOptions {
  /** What is returned at each step: an output or a state, "v" for example. Default: "spike". */
  output?: string;
}

/** All tracers of jax-js, arrays among them. */
export const Tracer = Object.getPrototypeOf(np.Array) as abstract new () => object;
const arrayKind = instanceOf(Tracer, "an array of the jax-js that spikefold imports");
const valueKind = either(arrayKind, kind("a number", (x) => typeof x === "number"));

/** @throws OptionError for what is no value, or has none of the names that there are. */
const checkValues = (what: string, values: Values, names: readonly string[]): void => checkOptions(what, values, Object.fromEntries(names.map((name) => [name, valueKind])));

/**
 * Lifts a neuron to a plain jax-js function over all time steps, unrolled: x [T, ...] → spikes [T, ...], usable inside `jit`, `grad` and
 * `valueAndGrad`. Consumes its arguments.
 *
 * @param neuron with one input
 * @returns (x, params?, state?) => [T, ...]; `params` and `state` (before the first step) default to the definition's
 * @throws ShapeError if x has no time axis
 */
export function toJax(neuron: Neuron, options: ToJaxOptions = {}) {
  checkArgument("toJax", "neuron", neuron, neuronKind, NeuronError);
  checkOptions<ToJaxOptions>("toJax", options, { output: text });
  const { output = "spike" } = options;
  if (neuron.inputs.length !== 1) throw new NeuronError(`toJax lifts neurons with one input; ${neuron.name} has ${neuron.inputs.join(", ")}. Use liftStep.`);
  if (!(output in neuron.next)) throw new NeuronError(`neuron ${neuron.name} has no output or state ${output}; it has ${Object.keys(neuron.next).join(", ")}`);
  const step = liftStep(neuron);
  const [input] = neuron.inputs;
  return (x: np.Array, params: Values = {}, initial: Values = {}): np.Array => {
    checkArgument("toJax", "x", x, arrayKind);
    checkValues(`toJax: the parameters of ${neuron.name}`, params, Object.keys(neuron.params));
    checkValues(`toJax: the state of ${neuron.name}`, initial, Object.keys(neuron.state));
    const [steps, ...shape] = x.shape;
    if (steps === undefined) throw new ShapeError("toJax: x must have time as its first axis, [T, ...]; got a scalar");
    let state: Values = Object.fromEntries(Object.keys(neuron.state).map((name) => [name, initial[name] ?? np.full(shape, neuron.state[name])]));
    const results: np.Array[] = [];
    for (let t = 0; t < steps; t++) {
      const shared = Object.fromEntries(Object.entries(params).map(([name, value]) => [name, typeof value === "number" ? value : value.ref]));
      const next = step(state, { [input]: x.ref.slice(t) }, shared);
      results.push(next[output].ref);
      state = Object.fromEntries(Object.keys(neuron.state).map((name) => [name, next[name]]));
      for (const name of neuron.outputs) next[name].dispose();
    }
    for (const value of [...Object.values(state), ...Object.values(params), x]) if (typeof value !== "number") value.dispose();
    return np.stack(results);
  };
}

const array = (value: Value): np.Array => (typeof value === "number" ? np.array(value) : value);

function leafValue(neuron: Neuron, role: string, group: Values, name: string): Value {
  const value = group[name];
  if (value === undefined) throw new NeuronError(`neuron ${neuron.name}: no value was given for the ${role} ${name}`);
  return value;
}

const derivatives = new WeakMap<Expr, Expr>();

/** The surrogate's derivative at a spike's u, as an expression; one per spike. */
function derivativeOf(x: Expr): Expr {
  let derivative = derivatives.get(x);
  if (!derivative && x.node.kind === "spike") derivatives.set(x, (derivative = x.node.surrogate.derivative(x.node.u)));
  return derivative!;
}

/** What the evaluation of x uses, each time that it uses it. */
const operandsHere = (x: Expr): readonly Expr[] => (x.node.kind === "spike" ? [x.node.u, x.node.u, derivativeOf(x)] : operandsOf(x));
