import { describe, expect, it } from "vitest";
import {
  checkArgument, checkOptions, either, finite, flag, fraction, func, integer, listOf, nearest, notNegative, object, oneOf, positive, required, share, show, text,
} from "../src/check.ts";
import { NeuronError, OptionError } from "../src/errors.ts";

interface Options { lr?: number; betas?: readonly number[]; epochs: number }
const kinds = { lr: positive, betas: listOf(fraction), epochs: required(integer(1)) };
const check = (given: unknown) => () => checkOptions<Options>("train", given as Options, kinds);

describe("checkOptions", () => {
  it("accepts what is right, and options that are undefined", () => {
    expect(check({ lr: 0.1, betas: [0.9, 0.99], epochs: 2 })).not.toThrow();
    expect(check({ lr: undefined, epochs: 2 })).not.toThrow();
  });

  it("refuses an unknown option and names the nearest", () => {
    expect(check({ epoch: 1 })).toThrow(new OptionError("train has no option epoch: did you mean epochs?; it has lr, betas, epochs"));
    expect(check({ beta1: 1, epochs: 1 })).toThrow(/no option beta1: did you mean betas\?/);
    expect(check({ zebra: 1, epochs: 1 })).toThrow(/no option zebra; it has/);
    expect(check({ __proto__x: 1, epochs: 1 })).toThrow(/no option/);
    expect(check({ toString: 1, epochs: 1 })).toThrow(/no option toString/);
  });

  it("refuses a wrong value, a missing option, and what is no object", () => {
    expect(check({ lr: "1e-3", epochs: 1 })).toThrow('train: lr is "1e-3": expected a finite number > 0');
    expect(check({ lr: 0.1 })).toThrow("train needs the option epochs: an integer ≥ 1");
    for (const wrong of [undefined, null, 3, "fast", [1], new Float32Array(2), () => 0, new Map(), Promise.resolve({ lr: 1 })]) expect(check(wrong)).toThrow(/train takes an object of options \{ lr, betas, epochs \}, got/);
  });

  it("throws the error that it is told to", () => {
    expect(() => checkOptions("lif", { tua: 2 } as { tau?: number }, { tau: positive }, NeuronError)).toThrow(NeuronError);
    expect(() => checkArgument("linear", "inputs", "784", integer(1))).toThrow(new OptionError('linear: inputs is "784": expected an integer ≥ 1'));
  });
});

describe("kinds", () => {
  it.each([
    ["finite", finite, [0, -1.5, 3e38], [NaN, Infinity, 1e39, "1", null]],
    ["positive", positive, [1e-45, 3], [0, -1, 1e-46, 1e39]],
    ["notNegative", notNegative, [0, 1e-46], [-1e-46, NaN]],
    ["fraction", fraction, [0, 0.999], [1, 1 - 1e-12, -0.1, NaN]],
    ["share", share, [0, 1], [1.1, "1"]],
    ["integer", integer(1, 64), [1, 64], [0, 65, 1.5, "3", 2 ** 60]],
    ["flag", flag, [true, false], [0, "true"]],
    ["text", text, ["a"], ["", 3]],
    ["func", func, [show], [{}]],
    ["object", object, [{}, Object.create(null), { a: 1 }], [null, [], 3, new Map(), Promise.resolve(1), new Float32Array(2)]],
    ["oneOf", oneOf("hard", "soft"), ["hard"], ["Hard", undefined]],
    ["either", either(flag, integer(0)), [true, 0], ["", -1]],
  ] as const)("%s", (_, each, right, wrong) => {
    for (const value of right) expect(each.accepts(value)).toBe(true);
    for (const value of wrong) expect(each.accepts(value)).toBe(false);
  });
});

it("nearest finds a slip of the finger, another case, a beginning, and nothing far away", () => {
  expect(nearest("thread", ["threads", "portable"])).toBe("threads");
  expect(nearest("kernle", ["kernel", "stride"])).toBe("kernel");
  expect(nearest("batchsize", ["batchSize"])).toBe("batchSize");
  expect(nearest("thresh", ["tau", "threshold"])).toBe("threshold");
  expect(nearest("momentum", ["lr", "betas"])).toBeUndefined();
  expect(nearest("u", ["v"])).toBeUndefined();
  expect(nearest("x", [])).toBeUndefined();
});

it("show names any value, short", () => {
  class Lif { tau = 2; }
  const shown = [3, NaN, "a", "x".repeat(99), null, undefined, [1, "a"], Array.from({ length: 99 }, () => 0), new Float32Array(3), { lr: 1 }, new Lif(), show, 3n, Symbol("s"), Object.create(null)];
  expect(shown.map(show)).toEqual([
    "3", "NaN", '"a"', `"${"x".repeat(40)}…"`, "null", "undefined", '[1, "a"]', "a list of 99", "a Float32Array of 3", "an object { lr }", "a Lif", "a function show", "3n", "Symbol(s)", "an object {  }",
  ]);
});
