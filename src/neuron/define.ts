import { checkArgument, checkOptions, func, kind, listOf, object, type OptionKinds, required, show, text } from "../check.ts";
import { NeuronError } from "../errors.ts";
import { findCondition } from "./conditions.ts";
import { Expr, leaf, toExpr, typeOf, type ExprLike } from "./expr.ts";
import { value32 } from "./kinds.ts";
import { howToChoose, traced } from "./tracing.ts";
import { contains } from "./walk.ts";

type Leaves<Names extends string> = Readonly<Record<Names, Expr>>;

/** What `defineNeuron` takes. S, I and P are the names of the states, inputs and parameters. */
export interface NeuronDefinition<S extends string, I extends string = "x", P extends string = never> {
  /** A word of letters, digits and _. */
  name: string;
  /** States and their values before the first step; {} for none. */
  state: Record<S, number>;
  /** Names of the inputs; default: one, called x. */
  inputs?: readonly I[];
  /** Scalars that can be set for each run, learnt, and given per layer or per channel; with their values unless told otherwise. Default: none. */
  params?: Record<P, number>;
  /** Parameters that a layer learns unless told otherwise. Default: none. */
  learnable?: readonly NoInfer<P>[];
  /** One time step of one neuron: `spike`, the next value of every state, and any further outputs by name. */
  step(state: Leaves<S>, inputs: Leaves<I>, params: Leaves<P>): Record<S | "spike", ExprLike> & Record<string, ExprLike>;
}

/** A traced one-step definition; S, I and P are the names of its states, inputs and parameters. */
export interface Neuron<S extends string = string, I extends string = string, P extends string = string> {
  readonly name: string;
  readonly state: Readonly<Record<S, number>>;
  readonly inputs: readonly I[];
  readonly params: Readonly<Record<P, number>>;
  readonly learnable: readonly P[];
  /** Names of the outputs: what a step returns besides the states. */
  readonly outputs: readonly string[];
  /** The traced step: the next value of each state and of each output. */
  readonly next: Readonly<Record<string, Expr>>;
  /** The step itself, for use inside another definition. */
  step(state: Record<string, Expr>, inputs: Record<string, Expr>, params: Record<string, Expr>): Record<string, Expr>;
}

/** What arguments that must be neurons are checked for. */
export const neuronKind = kind("a neuron: call the function that makes one, lif() for example, or defineNeuron", (x) =>
  object.accepts(x) && typeof (x as Neuron).step === "function" && object.accepts((x as Neuron).next) && Array.isArray((x as Neuron).inputs));

/** Names of a neuron's states; string where they are not known. */
export type StatesOf<N extends Neuron> = N extends Neuron<infer S, string, string> ? S : never;
/** Names of a neuron's parameters; string where they are not known. */
export type ParamsOf<N extends Neuron> = N extends Neuron<string, string, infer P> ? P : never;

/** A definition whose step need not spike: an element-wise update of states, run by the same compiler (optimisers, dropout). */
export interface StepDefinition {
  name: string;
  state: Record<string, number>;
  inputs?: readonly string[];
  params?: Record<string, number>;
  learnable?: readonly string[];
  step(state: Record<string, Expr>, inputs: Record<string, Expr>, params: Record<string, Expr>): Record<string, ExprLike>;
}

/**
 * Defines a spiking neuron by its one-step function. The step is traced once, here; it must be pure.
 * @throws NeuronError for a state that is read but not returned, a neuron that never spikes, a branch on an expression, a value that is not a number
 * of 32 bits, an unknown name or one that cannot be used
 */
export function defineNeuron<S extends string, I extends string = "x", P extends string = never>(definition: NeuronDefinition<S, I, P>): Neuron<S, I, P> {
  const neuron = defineStep(definition as unknown as StepDefinition);
  const { spike } = neuron.next;
  if (!spike) throw new NeuronError(`neuron ${neuron.name}: the step returns no spike; return { spike: spike(u, surrogate), ...states }`);
  if (!contains(spike, (x) => x.node.kind === "spike")) {
    throw new NeuronError(`neuron ${neuron.name} never spikes: its output named spike does not come from spike(u, surrogate)`);
  }
  return neuron as Neuron<string, string, string> as Neuron<S, I, P>;
}

const kinds: OptionKinds<StepDefinition> = {
  name: required(kind("a word of letters, digits and _ that begins with a letter", (x) => typeof x === "string" && isWord(x))),
  state: required(kind("an object of names and first values, {} for none", object.accepts)),
  inputs: kind('a list of names, ["x"] for example', listOf(text).accepts),
  params: kind("an object of names and values", object.accepts),
  learnable: kind("a list of names of parameters", listOf(text).accepts),
  step: required(kind("a function of (state, inputs, params)", func.accepts)),
};

const isWord = (name: string): boolean => /^[A-Za-z][A-Za-z0-9_]*$/.test(name);

export function defineStep(definition: StepDefinition): Neuron {
  const given: unknown = definition;
  const named = object.accepts(given) && kinds.name.accepts((given as StepDefinition).name);
  const what = named ? `neuron ${definition.name}` : "defineNeuron";
  const fail = (message: string): never => { throw new NeuronError(`${what}: ${message}`); };
  checkOptions(what, definition, kinds, NeuronError);
  const { name, state, inputs = ["x"], params = {}, learnable = [] } = definition;

  const names = [...Object.keys(state), ...inputs, ...Object.keys(params)];
  if (names.includes("spike")) fail("spike is the name of its output; call the state, input or parameter otherwise");
  const checkName = (word: string): void => {
    if (!isWord(word)) fail(`${show(word)} is not a word of letters, digits and _ that begins with a letter; states, inputs, parameters and outputs are called by such`);
    if (word in Object.prototype) fail(`${word} means something to every object of JavaScript; call it otherwise`);
  };
  names.forEach(checkName);
  const twice = names.find((word, i) => names.indexOf(word) !== i);
  if (twice) fail(`${twice} is named twice among states, inputs and parameters`);
  for (const [word, value] of Object.entries({ ...state, ...params })) checkArgument(what, word, value, value32, NeuronError);
  for (const word of learnable) if (!Object.hasOwn(params, word)) fail(`learnable parameter ${word} is not among its parameters (${Object.keys(params).join(", ") || "none"})`);
  if (new Set(learnable).size !== learnable.length) fail(`learnable names a parameter twice: ${learnable.join(", ")}`);

  const known = (leaves: Record<string, Expr>, role: string): Record<string, Expr> =>
    new Proxy(leaves, {
      get: (target, key) => typeof key === "symbol" || Object.hasOwn(target, key) ? target[key as string]
        : fail(`the step reads ${role} ${key}, which is not declared (declared: ${Object.keys(target).join(", ") || "none"})`),
    });
  const step = (s: Record<string, Expr>, x: Record<string, Expr>, p: Record<string, Expr>): Record<string, Expr> => {
    const result: unknown = definition.step(known(s, "state"), known(x, "input"), known(p, "parameter"));
    if (result instanceof Promise) fail("the step is async; it is traced, not run: write it without async and await");
    if (!object.accepts(result) || result instanceof Expr) fail(`the step must return an object { spike, ...states }, not ${result instanceof Expr ? "an expression" : show(result)}`);
    return Object.fromEntries(Object.entries(result as object).map(([key, value]: [string, unknown]) => {
      const expr = value instanceof Expr || typeof value === "number" ? toExpr(value) : fail(`the step returns ${key} = ${show(value)}, not an expression`);
      if (typeOf(expr) === "b") fail(`the step returns the comparison ${key}; use where(condition, 1, 0)`);
      return [key, expr];
    }));
  };

  const leaves = (role: "state" | "input" | "param", words: readonly string[]) => Object.fromEntries(words.map((word) => [word, leaf(role, word)]));
  const next = traced(`the step of ${what}`, () => step(leaves("state", Object.keys(state)), leaves("input", inputs), leaves("param", Object.keys(params))));
  const condition = findCondition(String(definition.step), "records");
  if (condition) fail(`the step uses an expression as a condition: ${condition}. ${howToChoose}`);
  for (const word of Object.keys(state)) {
    if (!Object.hasOwn(next, word)) fail(`the step does not return the state ${word}; return its next value (or itself, if it does not change)`);
  }
  for (const word of Object.keys(next)) {
    if (inputs.includes(word) || Object.hasOwn(params, word)) fail(`the step returns ${word}, which is an input or a parameter`);
    checkName(word);
  }
  const outputs = Object.keys(next).filter((word) => !Object.hasOwn(state, word));
  return { name, state: { ...state }, inputs: [...inputs], params: { ...params }, learnable: [...learnable], outputs, next, step };
}
