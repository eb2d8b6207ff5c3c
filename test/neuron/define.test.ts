import { describe, expect, it } from "vitest";
import { NeuronError } from "../../src/errors.ts";
import { plan } from "../../src/fusion/plan.ts";
import { Expr, leaf } from "../../src/neuron/expr.ts";
import * as language from "../../src/neuron/index.ts";
import { defineNeuron, detach, integrateAndFire, leaky, lif, neuronByName, parametricLif, spike, surrogate, synaptic, where, greater } from "../../src/neuron/index.ts";
import { operations, type OperationName } from "../../src/neuron/ops.ts";

const sur = surrogate.atan();

describe("a definition that makes no sense is refused", () => {
  const define = (definition: object) => () => defineNeuron({ name: "mine", state: { v: 0 }, ...definition } as never);
  const refuse = (definition: object, message: RegExp) => {
    expect(define(definition)).toThrow(NeuronError);
    expect(define(definition)).toThrow(message);
  };
  type Step = (s: Record<string, any>, x: Record<string, any>, p: Record<string, any>) => unknown;
  const step = (f: Step) => ({ step: f });

  it("never spikes", () => refuse(step(({ v }, { x }) => ({ spike: v.add(x), v })), /never spikes/));
  it("returns no spike", () => refuse(step(({ v }, { x }) => ({ v: v.add(x) })), /returns no spike/));
  it("reads a state it does not return", () => refuse({ state: { v: 0, a: 0 }, ...step(({ v, a }, { x }) => ({ spike: spike(v.add(x).sub(a), sur), v })) }, /does not return the state a/));
  it("reads a state it does not declare", () => refuse(step(({ v, w }, { x }) => ({ spike: spike(v.add(x).add(w), sur), v })), /reads state w.*declared: v/));
  it("reads an unknown input", () => refuse(step(({ v }, { y }) => ({ spike: spike(v.add(y), sur), v })), /reads input y/));
  it("NaN initial state", () => refuse({ state: { v: NaN }, ...step(({ v }, { x }) => ({ spike: spike(v.add(x), sur), v })) }, /v is NaN: expected a number/));
  it("NaN constant", () => refuse(step(({ v }, { x }) => ({ spike: spike(v.add(x).sub(NaN), sur), v })), /NaN/));
  it("a plain number where JavaScript operators were used", () => refuse(step(({ v }, { x }) => ({ spike: spike(v + x, sur), v })), /write a\.add\(b\)/));
  it("a comparison as a number", () => refuse(step(({ v }, { x }) => ({ spike: spike(greater(v, x) as never, sur), v: v.mul(greater(v, x)) })), /comparison/));
  it("a comparison as the distance to the threshold", () => refuse(step(({ v }, { x }) => ({ spike: spike(greater(v, x), sur), v })), /spike\(u, …\) takes a number/));
  it("a name twice", () => refuse({ params: { v: 1 }, ...step(({ v }, { x }) => ({ spike: spike(v.add(x), sur), v })) }, /named twice/));
  it("no surrogate", () => refuse(step(({ v }, { x }) => ({ spike: spike(v.add(x), undefined as never), v })), /surrogate/));
  it("a method that expressions do not have", () => refuse(step(({ v }, { x }) => ({ spike: spike(v.plus(x), sur), v })), /v\.plus is not a function.*methods/));
  it("an async step", () => refuse({ step: async ({ v }: any, { x }: any) => ({ spike: spike(v.add(x), sur), v }) }, /step is async/));
  it.each([[() => 3, /not 3/], [() => undefined, /not undefined/], [({ v }: any) => v, /not an expression/], [({ v }: any) => [v], /not a list of 1/]])("a step that returns no object: %s", (f, message) => refuse({ step: f }, message));
  it.each(["state.v", "trace.v", "final.v", "d.x", "grad.x", "checkpoint.v", "a b", "1st", "_v", "", "ü", "constructor", "toString", "valueOf", "hasOwnProperty"])("an output called %s", (word) =>
    refuse(step(({ v }, { x }) => ({ spike: spike(v.add(x), sur), v, [word]: x })), /is not a word|means something to every object/));
  it.each(["constructor", "toString", "__proto__", "a.b", "1"])("a state, input or parameter called %s", (word) => {
    const spikes = step((_, x) => ({ spike: spike(x.x ?? x[word], sur) }));
    for (const named of [{ state: { [word]: 0 } }, { inputs: [word] }, { params: { [word]: 0 } }]) refuse({ ...named, ...spikes }, /is not a word|means something to every object/);
  });
  it.each([
    [{ states: { v: 0 } }, /neuron mine has no option states: did you mean state\?/], [{ parameters: {} }, /has no option parameters; it has name, state, inputs, params/],
    [{ name: "my neuron" }, /name is "my neuron": expected a word/], [{ name: undefined }, /defineNeuron needs the option name/], [{ state: [0] }, /state is \[0\]: expected an object/],
    [{ inputs: "x" }, /inputs is "x": expected a list of names/], [{ inputs: [1] }, /inputs is \[1\]/], [{ params: ["w"] }, /params is \["w"\]/], [{ learnable: "w" }, /learnable is "w"/],
    [{ params: { w: 1 }, learnable: ["w", "w"] }, /learnable names a parameter twice/], [{ params: { w: 1 }, learnable: ["v"] }, /parameter v is not among its parameters \(w\)/],
    [{ step: { v: 1 } }, /step is an object \{ v \}: expected a function/], [{ step: undefined }, /needs the option step/], [{ state: { v: "0" } }, /v is "0": expected a number/], [{ params: { w: true } }, /w is true/],
    [{ state: { v: 1e39 } }, /v is 1e\+39: expected a number that 32 bits can hold/], [{ params: { w: 1e-46 } }, /w is 1e-46/], [{ params: { w: -1e200 } }, /w is -1e\+200/],
  ])("a wrong part: %o", (part, message) => refuse({ ...step(({ v }, { x }) => ({ spike: spike(v.add(x), sur), v })), ...part }, message));
  it("nothing at all", () => { for (const given of [undefined, null, 3, [], "lif"]) expect(() => defineNeuron(given as never)).toThrow(/defineNeuron takes an object of options/); });
  it("a constant that f32 cannot hold", () => refuse(step(({ v }, { x }) => ({ spike: spike(v.add(x).sub(1e39), sur), v })), /constant 1e\+39.*write Infinity/));
  it("undefined result", () => refuse(step(({ v }, { x }) => ({ spike: spike(v.add(x), sur), v: undefined })), /v = undefined/));
});

it.each([
  [() => lif({ threshold: NaN }), /threshold is NaN: expected a finite number/],
  [() => lif({ tau: 0 }), /tau is 0: expected a finite number > 1/],
  [() => lif({ tau: -2 }), /tau/],
  [() => lif({ reset: "medium" as never }), /reset is "medium": expected "hard" or "soft"/],
  [() => parametricLif({ tau: 1 }), /tau/],
  [() => integrateAndFire({ vReset: Infinity }), /vReset/],
  [() => leaky({ beta: NaN }), /beta/],
  [() => leaky({ reset: "hard" as never }), /"subtract" or "zero" or "none"/],
  [() => synaptic({ alpha: NaN }), /alpha/],
  [() => surrogate.atan({ alpha: 0 }), /alpha is 0: expected a finite number > 0/],
  [() => lif({ taau: 3 } as never), /lif has no option taau: did you mean tau\?; it has tau, decayInput, threshold/],
  [() => leaky({ tau: 2 } as never), /leaky has no option tau/],
  [() => surrogate.atan(5 as never), /surrogate.atan takes an object of options/],
  [() => surrogate.sigmoid({ slope: 25 } as never), /surrogate.sigmoid has no option slope; it has alpha/],
  [() => defineNeuron({ name: "n", step: () => ({}) } as never), /neuron n needs the option state: an object/],
  [() => lif({ decayInput: "false" as never }), /decayInput is "false": expected true or false/],
  [() => lif({ detachReset: 1 as never }), /detachReset is 1/],
  [() => lif({ tau: 1 + 1e-9 }), /tau is 1\.000000001: expected a finite number > 1 \(of 32 bits\)/],
  [() => parametricLif({ tau: 1e39 }), /tau is 1e\+39/],
  [() => lif({ threshold: 1e39 }), /threshold is 1e\+39/],
  [() => leaky({ beta: "0.9" as never }), /beta is "0.9"/],
  [() => lif({ surrogate: surrogate.atan as never }), /surrogate is a function atan: expected a surrogate gradient: surrogate\.atan\(\)/],
  [() => leaky({ surrogate: ((u: unknown) => u) as never }), /surrogate\.custom/],
  [() => integrateAndFire({ surrogate: "atan" as never }), /surrogate is "atan"/],
  [() => leaky({ learnable: ["alpha"] as never }), /learnable is \["alpha"\]: expected a list, each "beta" or "threshold"/],
  [() => leaky({ learnable: ["beta", "beta"] }), /at most once/],
  [() => synaptic({ learnable: "beta" as never }), /learnable is "beta"/],
  [() => surrogate.erf({ alpha: 1e20 }), /surrogate\.erf\(\{"alpha":100000000000000000000\}\): the constant -1e\+40/],
  [() => surrogate.piecewiseQuadratic({ alpha: 1e20 }), /constant 1e\+40/],
  [() => surrogate.rectangular({ width: 1e-44 }), /surrogate\.rectangular/],
  [() => surrogate.atan({ alpha: 3e38 }), /surrogate\.atan/],
  [() => surrogate.sigmoid({ alpha: 1e-46 }), /alpha is 1e-46/],
  [() => surrogate.custom(undefined as never), /derivative is undefined: expected a function/],
  [() => surrogate.custom(() => undefined as never), /expected an expression or a number, got undefined/],
  [() => surrogate.custom((u) => u.greater(0)), /is a comparison/],
  [() => surrogate.custom((u) => (u as any).expp()), /u\.expp is not a function/],
  [() => spike(1, sur, { strikt: true } as never), /spike has no option strikt: did you mean strict\?/],
  [() => neuronByName("lif2"), /unknown neuron "lif2": did you mean lif\?; built in: lif, /],
  [() => neuronByName("constructor"), /unknown neuron "constructor"; built in/],
])("bad options are refused: %s", (make, message) => {
  expect(make).toThrow(NeuronError);
  expect(make).toThrow(message);
});

it("a definition that is changed later changes nothing", () => {
  const state = { v: 0 };
  const neuron = defineNeuron({ name: "kept", state, step: ({ v }, { x }) => ({ spike: spike(v.add(x), sur), v }) });
  state.v = 5;
  expect(neuron.state.v).toBe(0);
});

it("Infinity that is written is meant", () => {
  const never = defineNeuron({ name: "never", state: { v: -Infinity }, params: { threshold: Infinity }, step: ({ v }, { x }, { threshold }) => ({ spike: spike(x.sub(threshold), sur), v: v.maximum(x).minimum(Infinity) }) });
  expect(never.params.threshold).toBe(Infinity);
});

it("every operation is a method too", () => {
  const methods = Object.getOwnPropertyNames(Expr.prototype);
  const asked = Object.keys(operations).filter((name) => name !== "where");
  expect(methods).toEqual(expect.arrayContaining([...asked, "square", "detach"]));
  const [x, y] = [leaf("input", "x"), leaf("input", "y")];
  for (const name of asked as Exclude<OperationName, "where">[]) {
    const { signature } = operations[name];
    const args = signature[0] === "b" ? [x.greater(0), y.greater(0)] : [x, y];
    const [first, ...rest] = args.slice(0, signature.length);
    const called = (first as any)[name](...rest) as Expr;
    expect(called.node, name).toEqual({ kind: "operation", op: name, args: [first, ...rest] });
    expect(called.node).toEqual(((language as any)[name](first, ...rest) as Expr).node);
  }
  expect(x.square().node).toEqual(x.mul(x).node);
  expect(x.detach().node).toEqual(detach(x).node);
});

describe("the compiler", () => {
  const neuron = (make: (v: any, x: any) => any) => defineNeuron({ name: "n", state: { v: 0 }, step: ({ v }, { x }) => make(v, x) });
  const operations = (n: ReturnType<typeof neuron>) => plan({ neuron: n, steps: 4 }).forward.step.values.filter((value) => value.kind === "operation").length;

  it("shares subexpressions and drops dead code", () => {
    const twice = neuron((v, x) => { const a = v.mul(0.5).add(x); const b = v.mul(0.5).add(x); void v.mul(x).mul(x); return { spike: spike(a.sub(1), sur), v: b }; });
    const once = neuron((v, x) => { const a = v.mul(0.5).add(x); return { spike: spike(a.sub(1), sur), v: a }; });
    expect(operations(twice)).toBe(operations(once));
  });

  it("passes no gradient through detach", () => {
    const kernels = plan({ neuron: neuron((v, x) => ({ spike: spike(detach(v.add(x)), sur), v: detach(x) })), steps: 4, gradients: ["x"] });
    const { reverse } = kernels.backward!;
    expect(reverse.values[reverse.results["grad.x"]]).toEqual({ kind: "constant", value: 0 });
  });

  it("gives the gradient to the branch that where chose", () => {
    const kernels = plan({ neuron: neuron((v, x) => { const h = where(greater(x, 0), x, v); return { spike: spike(h.sub(1), sur), v: h }; }), steps: 4, gradients: ["x"] });
    expect(kernels.backward!.reverse.values.some((value) => value.kind === "operation" && value.op === "where")).toBe(true);
  });

  it("computes what depends on parameters alone once, not at every step", () => {
    const { prologue, step } = plan({ neuron: parametricLif(), steps: 4 }).forward;
    expect(prologue.values.some((value) => value.kind === "operation" && value.op === "sigmoid")).toBe(true);
    expect(step.values.some((value) => value.kind === "operation" && value.op === "sigmoid")).toBe(false);
  });

  it("saves states only where a trajectory is too long to recompute whole", () => {
    expect(plan({ neuron: lif(), steps: 32, gradients: ["x"] }).checkpointEvery).toBeNull();
    expect(plan({ neuron: lif(), steps: 33, gradients: ["x"] }).checkpointEvery).toBe(32);
    expect(plan({ neuron: lif(), steps: 1000 }).checkpointEvery).toBeNull();
  });
});
