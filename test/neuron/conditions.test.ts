import { describe, expect, it } from "vitest";
import { NeuronError } from "../../src/errors.ts";
import { findCondition } from "../../src/neuron/conditions.ts";
import { defineNeuron, greater, lif, logicalAnd, spike, surrogate, where } from "../../src/neuron/index.ts";

const body = (text: string): string => `step({ v, a: b }, { x }, p) { const s = spike(v.sub(1), surrogate.atan()); const h = v.mul(p.decay).add(x); ${text} return { spike: s, v: h }; }`;

describe("the text of a step", () => {
  it.each([
    "const w = s ? h : v;", "if (v) { }", "while (h) {}", "const w = !s;", "const w = s && h;", "const w = b || 1;", "const w = p.decay ? 1 : 2;", "f(v.add(1) ? 1 : 2);",
    "if (v === 0) {}", "const w = h.add(1) != v;", "if (0 === x) {}", "const w = x == -1;", "const { rho } = p; const w = rho ? 1 : 2;", "return s ? { spike: s, v } : { spike: s, v: h };",
    "const f = () => v ? 1 : 2;", "const g = (0, __library.exp)(v); const w = g ? 1 : 2;", "const w = `${x}` + 1;\nconst y = /[/'\"]/.test(t) ? 1 : 2; const z = v ? 1 : 2;",
  ])("uses an expression as a condition: %s", (text) => {
    expect(findCondition(body(text), "records")).toBeDefined();
  });

  it.each([
    'const w = reset === "zero" ? v : h;', "const w = soft ? v.mul(2) : h;", "const w = decay.node ? 1 : 2;", "const w = v.node ? 1 : 2;", "const w = p.list.length ? 1 : 2;", "const w = options?.s ? 1 : 2;",
    "// v ? 1 : 2\n", "/* if (v) */", "const w = 'v ? 1 : 2';", 'const w = "s && v";', "const w = `${`v ? 1 : 2`} s ? 1 : 2`;", "const w = `${f({ a: '}`' })} s ? 1 : 2`;", "const w = /v ? 1 : 2/.test(t);", "const w = { v: 1 };",
    "const w = [1, 2].map((v) => (v ? 1 : 2));", "const w = [1].map((p) => p.decay ? 1 : 2);", "for (const x of list) if (x) f(x);", "const f = function (h) { return h ? 1 : 2; };", "const f = (q) => { const v = q.on; return v ? 1 : 2; };",
    "const w = v === undefined ? 1 : 2;", "const w = o.v ? 1 : 2;", "const w = check(v) ? 1 : 2;", "const w = Array.isArray(v) && 1;", "const w = n > 1 ? v : h;", "const on = isOn(v); const w = on ? 1 : 2;",
    "let c = v; c = flag; const w = c ? 1 : 2;", "const n = exp(v).length; const w = n ? 1 : 2;", "const w = a ?? v;", "try {} catch (x) { if (x) {} }", "const w = (h, 1) ? 1 : 2;",
  ])("does not: %s", (text) => {
    expect(findCondition(body(text), "records")).toBeUndefined();
  });

  it("is read in every form that a function has", () => {
    for (const text of ["({ v }, { x }) => ({ v: v ? 1 : 2 })", "s => s.v ? 1 : 2", "(s, x) => { if (x.x) {} }", "function ({ v }) { return v && 1; }", "function step({ v = 1 }) { return v && 1; }"]) {
      expect(findCondition(text, "records"), text).toBeDefined();
    }
    for (const text of ["u => u ? 1 : 2", "(u) => u.abs() ? 1 : 2", "function (u) { return !u; }"]) expect(findCondition(text, "expressions"), text).toBeDefined();
    for (const text of ["", "function () { [native code] }", "(...args) => args.length ? 1 : 2", "({ ...rest }) => rest.v ? 1 : 2", "`", "/", "({[("]) expect(findCondition(text, "records"), text).toBeUndefined();
  });
});

describe("a branch on an expression is refused", () => {
  const define = (step: (v: any, x: any) => any) => () => defineNeuron({ name: "mine", state: { v: 0 }, step: ({ v }, { x }) => step(v, x) });
  const u = surrogate.atan();

  it.each([
    ["c ? a : b", (v: any, x: any) => ({ spike: spike(v.add(x), u), v: v.greater(1) ? v : x }), /makes the comparison greater\(v, 1\) and no operation takes it.*where\(condition, a, b\)/],
    ["if", (v: any, x: any) => { if (greater(v.add(x), 1)) return { spike: spike(v, u), v }; return { spike: spike(x, u), v }; }, /greater\(add\(v, x\), 1\)/],
    ["!", (v: any, x: any) => ({ spike: spike(v.add(x), u), v: !v.less(x) ? v : x }), /less\(v, x\)/],
    ["&&", (v: any, x: any) => ({ spike: spike(v.add(x), u), v: where(v.less(x) && v.greater(2), v, x) }), /less\(v, x\)/],
    ["c ? a : b of a logical value", (v: any, x: any) => ({ spike: spike(v.add(x), u), v: logicalAnd(v.less(x), v.greater(2)) ? v : x }), /logicalAnd\(less/],
  ])("%s", (_, step, message) => {
    expect(define(step)).toThrow(NeuronError);
    expect(define(step)).toThrow(message);
  });

  it("where no comparison is, by the text", () => {
    expect(() => defineNeuron({ name: "mine", state: { v: 0 }, step({ v }, { x }) { const s = spike(v.add(x), u); return { spike: s, v: s ? x : v }; } })).toThrow(/as a condition: s \? x : v.*where/);
    expect(() => surrogate.custom((y: any) => (y ? y : y.neg()))).toThrow(/as a condition: y \? y/);
    expect(() => surrogate.custom((y) => (y.greater(0) ? y : y.neg()))).toThrow(/greater\(u, 0\)/);
  });

  it("but not a comparison inside a result that is left out, nor one in another neuron", () => {
    const inner = defineNeuron({
      name: "inner", state: { v: 0, w: 0 },
      step: ({ v, w }, { x }) => ({ spike: spike(v.add(x), u), v: v.add(x), w: where(w.greater(1), 0, w) }),
    });
    expect(define((v, x) => ({ spike: spike(inner.step({ v, w: x }, { x }, {}).v, u), v }))).not.toThrow();
    expect(define((v, x) => { lif({ surrogate: surrogate.rectangular() }); const c = v.greater(1); return { spike: spike(v, u), v: where(c, x, v) }; })).not.toThrow();
  });
});
