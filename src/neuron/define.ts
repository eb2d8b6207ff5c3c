import { NeuronError } from "../errors.ts";
import { Expr, leaf, toExpr, typeOf, type ExprLike } from "./expr.ts";
import { contains } from "./walk.ts";

type Leaves<Names extends string> = Readonly<Record<Names, Expr>>;

/** What `defineNeuron` takes. S, I and P are the names of the states, inputs and parameters. */
export interface NeuronDefinition<S extends string, I extends string = "x", P extends string = never> {
  name: string;
  /** States and their values before the first step. */
  state: Record<S, number>;
  /** Names of the inputs; default: one, called x. */
  inputs?: readonly I[];
  /** Scalars that can be set for each run, learnt, and given per layer or per channel. */
  params?: Record<P, number>;
  /** Parameters that a layer learns unless told otherwise. */
  learnable?: readonly NoInfer<P>[];
  /** One time step of one neuron: `spike`, the next value of every state, and any further outputs by name. */
  step(state: Leaves<S>, inputs: Leaves<I>, params: Leaves<P>): Record<S | "spike", ExprLike> & Record<string, ExprLike>;
}

/** A traced one-step definition. */
export interface Neuron {
  readonly name: string;
  readonly state: Readonly<Record<string, number>>;
  readonly inputs: readonly string[];
  readonly params: Readonly<Record<string, number>>;
  readonly learnable: readonly string[];
  /** Names of the outputs: what a step returns besides the states. */
  readonly outputs: readonly string[];
  /** The traced step: the next value of each state and of each output. */
  readonly next: Readonly<Record<string, Expr>>;
  /** The step itself, for use inside another definition. */
  step(state: Record<string, Expr>, inputs: Record<string, Expr>, params: Record<string, Expr>): Record<string, Expr>;
}

/**
 * Defines a spiking neuron by its one-step function. The step is traced once, here; it must be pure.
 * @throws NeuronError for a state that is read but not returned, a neuron that never spikes, a value that is not a number, an unknown name.
 */
export function defineNeuron<S extends string, I extends string = "x", P extends string = never>(definition: NeuronDefinition<S, I, P>): Neuron {
  const neuron = defineStep(definition as unknown as StepDefinition);
  const { spike } = neuron.next;
  if (!spike) throw new NeuronError(`neuron ${neuron.name}: the step returns no spike; return { spike: spike(u, surrogate), ...states }`);
  if (!contains(spike, (x) => x.node.kind === "spike")) {
    throw new NeuronError(`neuron ${neuron.name} never spikes: its output named spike does not come from spike(u, surrogate)`);
  }
  return neuron;
}

/** A definition whose step need not spike: an element-wise update of states, run by the same compiler (optimisers, dropout). */
export interface StepDefinition {
  name: string;
  state: Record<string, number>;
  inputs?: readonly string[];
  params?: Record<string, number>;
  learnable?: readonly string[];
  step(state: Record<string, Expr>, inputs: Record<string, Expr>, params: Record<string, Expr>): Record<string, ExprLike>;
}

export function defineStep(definition: StepDefinition): Neuron {
  const { name, state, inputs = ["x"], params = {}, learnable = [] } = definition;
  if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) throw new NeuronError(`a neuron's name must be a word of letters, digits and _, got ${JSON.stringify(name)}`);
  const fail = (message: string): never => { throw new NeuronError(`neuron ${name}: ${message}`); };

  if (typeof state !== "object" || state === null) throw new NeuronError(`neuron ${name}: state must be an object of names and first values, {} for none; got ${String(state)}`);
  const names = [...Object.keys(state), ...inputs, ...Object.keys(params)];
  if (names.includes("spike")) fail("spike is the name of its output; call the state, input or parameter otherwise");
  const twice = names.find((word, i) => names.indexOf(word) !== i);
  if (twice) fail(`${twice} is named twice among states, inputs and parameters`);
  for (const [word, value] of Object.entries({ ...state, ...params })) {
    if (typeof value !== "number" || Number.isNaN(value)) fail(`${word} must be a number, got ${String(value)}`);
  }
  for (const word of names) if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(word)) fail(`${JSON.stringify(word)} is not a word of letters, digits and _`);
  for (const word of learnable) if (!Object.hasOwn(params, word)) fail(`learnable parameter ${word} is not among its parameters`);

  const step = (s: Record<string, Expr>, x: Record<string, Expr>, p: Record<string, Expr>): Record<string, Expr> => {
    const result = definition.step(known(s, "state"), known(x, "input"), known(p, "parameter"));
    if (typeof result !== "object" || result === null) fail("the step must return an object { spike, ...states }");
    return Object.fromEntries(Object.entries(result).map(([key, value]) => {
      const expr = value instanceof Expr || typeof value === "number" ? toExpr(value) : fail(`the step returns ${key} = ${String(value)}, not an expression`);
      if (typeOf(expr) === "b") fail(`the step returns the comparison ${key}; use where(condition, 1, 0)`);
      return [key, expr];
    }));
  };
  const known = (leaves: Record<string, Expr>, what: string): Record<string, Expr> =>
    new Proxy(leaves, {
      get: (target, key) => typeof key === "symbol" || Object.hasOwn(target, key) ? target[key as string]
        : fail(`the step reads ${what} ${key}, which is not declared (declared: ${Object.keys(target).join(", ") || "none"})`),
    });

  const leaves = (role: "state" | "input" | "param", words: readonly string[]) => Object.fromEntries(words.map((word) => [word, leaf(role, word)]));
  const next = step(leaves("state", Object.keys(state)), leaves("input", inputs), leaves("param", Object.keys(params)));
  for (const word of Object.keys(state)) {
    if (!Object.hasOwn(next, word)) fail(`the step does not return the state ${word}; return its next value (or itself, if it does not change)`);
  }
  for (const word of Object.keys(next)) {
    if (inputs.includes(word) || Object.hasOwn(params, word)) fail(`the step returns ${word}, which is an input or a parameter`);
  }
  const outputs = Object.keys(next).filter((word) => !Object.hasOwn(state, word));
  return { name, state, inputs, params, learnable, outputs, next, step };
}
