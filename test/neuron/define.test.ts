import { describe, expect, it } from "vitest";
import { NeuronError } from "../../src/errors.ts";
import { plan } from "../../src/fusion/plan.ts";
import { defineNeuron, detach, integrateAndFire, leaky, lif, neuronByName, parametricLif, spike, surrogate, synaptic, where, greater } from "../../src/neuron/index.ts";

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
  it("NaN initial state", () => refuse({ state: { v: NaN }, ...step(({ v }, { x }) => ({ spike: spike(v.add(x), sur), v })) }, /v must be a number, got NaN/));
  it("NaN constant", () => refuse(step(({ v }, { x }) => ({ spike: spike(v.add(x).sub(NaN), sur), v })), /NaN/));
  it("a plain number where JavaScript operators were used", () => refuse(step(({ v }, { x }) => ({ spike: spike(v + x, sur), v })), /write a\.add\(b\)/));
  it("a comparison as a number", () => refuse(step(({ v }, { x }) => ({ spike: spike(greater(v, x) as never, sur), v: v.mul(greater(v, x)) })), /comparison/));
  it("a comparison as the distance to the threshold", () => refuse(step(({ v }, { x }) => ({ spike: spike(greater(v, x), sur), v })), /spike\(u, …\) takes a number/));
  it("a name twice", () => refuse({ params: { v: 1 }, ...step(({ v }, { x }) => ({ spike: spike(v.add(x), sur), v })) }, /named twice/));
  it("no surrogate", () => refuse(step(({ v }, { x }) => ({ spike: spike(v.add(x), undefined as never), v })), /surrogate/));
  it("undefined result", () => refuse(step(({ v }, { x }) => ({ spike: spike(v.add(x), sur), v: undefined })), /v = undefined/));
});

it.each([
  [() => lif({ threshold: NaN }), /threshold must be a finite number, got NaN/],
  [() => lif({ tau: 0 }), /tau must be greater than 1, got 0/],
  [() => lif({ tau: -2 }), /tau/],
  [() => lif({ reset: "medium" as never }), /reset must be one of hard, soft, got medium/],
  [() => parametricLif({ tau: 1 }), /tau/],
  [() => integrateAndFire({ vReset: Infinity }), /vReset/],
  [() => leaky({ beta: NaN }), /beta/],
  [() => leaky({ reset: "hard" as never }), /subtract, zero, none/],
  [() => synaptic({ alpha: NaN }), /alpha/],
  [() => surrogate.atan({ alpha: 0 }), /alpha must be a positive number, got 0/],
  [() => lif({ taau: 3 } as never), /lif has no option taau; it has tau, decayInput, threshold/],
  [() => leaky({ tau: 2 } as never), /leaky has no option tau/],
  [() => surrogate.atan(5 as never), /surrogate.atan takes an object of options/],
  [() => surrogate.sigmoid({ slope: 25 } as never), /surrogate.sigmoid has no option slope; it has alpha/],
  [() => defineNeuron({ name: "n", step: () => ({}) } as never), /state must be an object/],
  [() => neuronByName("lif2"), /unknown neuron "lif2"; built in: lif, /],
])("bad options are refused: %s", (make, message) => {
  expect(make).toThrow(NeuronError);
  expect(make).toThrow(message);
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
    expect(plan({ neuron: lif(), steps: 64, gradients: ["x"] }).checkpointEvery).toBeNull();
    expect(plan({ neuron: lif(), steps: 65, gradients: ["x"] }).checkpointEvery).toBe(32);
    expect(plan({ neuron: lif(), steps: 1000 }).checkpointEvery).toBeNull();
  });
});
