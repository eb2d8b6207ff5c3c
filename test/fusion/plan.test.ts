import { describe, expect, it } from "vitest";
import { describePlan, leaky, lif, OptionError, plan } from "../../src/index.ts";
import type { PlanRequest } from "../../src/index.ts";

describe("a request of a plan", () => {
  it.each<[object, RegExp]>([
    [{ neuron: lif }, /plan: neuron is a function lif: expected a neuron: call the function/], [{ neuron: undefined }, /plan needs the option neuron/], [{ steps: 0 }, /steps is 0: expected an integer ≥ 1/],
    [{ steps: "8" }, /steps is "8"/], [{ gradient: ["x"] }, /plan has no option gradient: did you mean gradients\?/], [{ gradients: "x" }, /gradients is "x": expected a list/],
    [{ gradients: ["y"] }, /no gradient "y"/], [{ gradients: ["state.w"] }, /no gradient "state\.w": did you mean state\.v\?/], [{ record: "v" }, /record is "v"/], [{ record: ["w"] }, /no state "w"/],
    [{ params: { bta: "layer" } }, /no parameter "bta": did you mean beta\?/], [{ params: { beta: "chanel" } }, /beta is "chanel": expected "neuron" or "channel" or "layer"/], [{ params: ["beta"] }, /params is \["beta"\]: expected an object/],
    [{ outputs: { spike: "i8" } }, /spike is "i8": expected "f32" or/], [{ outputs: { spik: "f32" } }, /no output "spik": did you mean spike\?/], [{ elements: "f64" }, /elements is "f64"/],
    [{ inputs: { x: "constant" } }, /plan: input x takes an object/], [{ inputs: { x: { times: "constant" } } }, /input x has no option times: did you mean time\?/], [{ inputs: { x: { time: "still" } } }, /time is "still"/],
    [{ inputs: { x: { extent: "channel" } } }, /must be constant over time/], [{ seeds: { spike: "sometimes" } }, /spike is "sometimes": expected "varying" or "constant"/], [{ finalState: 1 }, /finalState is 1: expected true or false/],
  ])("%o is refused", (part, message) => {
    const request = { neuron: leaky(), steps: 8, ...part } as PlanRequest;
    expect(() => plan(request)).toThrow(OptionError);
    expect(() => plan(request)).toThrow(message);
  });

  it("may leave options undefined and name a gradient twice", () => {
    const plain = plan({ neuron: leaky(), steps: 8, gradients: ["x"] });
    expect(plan({ neuron: leaky(), steps: 8, gradients: ["x", "x"], inputs: { x: { time: undefined } }, record: undefined }).key).toBe(plain.key);
  });

  it("is an object", () => {
    for (const given of [undefined, null, lif(), "lif"]) expect(() => plan(given as never)).toThrow(OptionError);
    expect(() => describePlan(lif() as never)).toThrow(/describePlan: plan is .*expected a plan/);
  });
});
