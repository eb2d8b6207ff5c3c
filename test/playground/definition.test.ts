import { describe, expect, it } from "vitest";
import { DefinitionError } from "../../playground/src/definition/error.ts";
import { printDefinition } from "../../playground/src/definition/print.ts";
import { readDefinition } from "../../playground/src/definition/read.ts";
import { plan } from "../../src/fusion/plan.ts";
import {
  abs, atan, cos, defineNeuron, detach, equal, erf, exp, expm1, floor, greater, greaterEqual, less, lessEqual, log, log1p, logicalAnd, logicalNot, logicalOr, maximum, minimum, neg, type Neuron,
  notEqual, sigmoid, sin, spike, sqrt, square, sub, surrogate, tanh, where,
} from "../../src/neuron/index.ts";
import { integrateAndFire, leaky, lif, neurons, parametricLif, synaptic } from "../../src/neuron/library/index.ts";

const keyOf = (neuron: Neuron): string => plan({ neuron, steps: 50, gradients: [...neuron.inputs, ...Object.keys(neuron.params)] }).key;

const step = (body: string): string => `defineNeuron({ name: "n", state: { v: 0 }, params: { decay: 0.9 }, step({ v }, { x }, { decay }) {\n${body}\n} })`;

/** What is said of a text, and where. */
function complaint(text: string): { message: string; line: number; column: number } {
  try {
    readDefinition(text);
  } catch (error) {
    expect(error).toBeInstanceOf(DefinitionError);
    const { message, place } = error as DefinitionError;
    expect(place.from).toBeLessThanOrEqual(place.to);
    return { message, line: place.line, column: place.column };
  }
  throw new Error(`accepted: ${text}`);
}

const adaptiveLif = defineNeuron({
  name: "adaptiveLif",
  state: { v: 0, a: 0 },
  params: { decay: 0.9, rho: 0.97, beta: 0.3 },
  step({ v, a }, { x }, { decay, rho, beta }) {
    const h = v.mul(decay).add(x);
    const s = spike(h.sub(a.mul(beta)).sub(1), surrogate.atan({ alpha: 2 }));
    return { spike: s, v: h.sub(s), a: a.mul(rho).add(s) };
  },
});

const refractory = defineNeuron({
  name: "refractory", state: { v: 0, wait: 0 }, params: { decay: 0.8, period: 4 },
  step({ v, wait }, { x }, { decay, period }) {
    const h = where(lessEqual(wait, 0), v.mul(decay).add(x), 0);
    const s = spike(h.sub(1), surrogate.fastSigmoid());
    return { spike: s, v: h.mul(sub(1, s)), wait: maximum(wait.sub(1), detach(s).mul(period)) };
  },
});

const ownSurrogate = defineNeuron({
  name: "own", state: { v: 0.25 }, inputs: ["x", "gate"],
  step({ v }, { x, gate }) {
    const s = spike(v.add(x.mul(gate)).sub(1), surrogate.custom((u) => exp(abs(u).mul(-2)), "exponential"), { strict: true });
    return { spike: s, v: v.mul(Math.exp(-1 / 20)).sub(s), graded: s.mul(v) };
  },
});

/** The same in functions as the text below in methods. */
const methodical = defineNeuron({
  name: "methodical", state: { v: 0.1 },
  step({ v }, { x }) {
    const f = detach(neg(erf(atan(cos(sin(sigmoid(tanh(log1p(log(expm1(exp(square(sqrt(floor(abs(x))))))))))))))));
    const c = logicalOr(logicalAnd(logicalOr(logicalNot(logicalAnd(logicalOr(greater(x, 1), less(x, 0)), greaterEqual(x, v))), lessEqual(x, 2)), equal(x, v)), notEqual(x, v));
    return { spike: spike(maximum(minimum(f, v), x), surrogate.atan()), v: where(c, f.add(v).sub(x).mul(2), v.div(3)) };
  },
});

describe("a definition's text", () => {
  it.each<[string, Neuron, string]>([
    ["states, parameters, constants", adaptiveLif, `
      import { defineNeuron, spike, surrogate } from "spikefold";

      const adaptiveLif = defineNeuron({
        name: "adaptiveLif",
        state: { v: 0, a: 0 },
        params: { decay: 0.9, rho: 0.97, beta: 0.3 },
        step({ v, a }, { x }, { decay, rho, beta }) {
          const h = v.mul(decay).add(x);
          const s = spike(h.sub(a.mul(beta)).sub(1), surrogate.atan({ alpha: 2 }));
          return { spike: s, v: h.sub(s), a: a.mul(rho).add(s) };
        },
      });`],
    ["every operation as a method", methodical, `
      defineNeuron({
        name: "methodical", state: { v: 0.1 },
        step({ v }, { x }) {
          const f = x.abs().floor().sqrt().square().exp().expm1().log().log1p().tanh().sigmoid().sin().cos().atan().erf().neg().detach();
          const c = x.greater(1).logicalOr(x.less(0)).logicalAnd(x.greaterEqual(v)).logicalNot().logicalOr(x.lessEqual(2)).logicalAnd(x.equal(v)).logicalOr(x.notEqual(v));
          return { spike: spike(f.minimum(v).maximum(x), surrogate.atan()), v: where(c, f.add(v).sub(x).mul(2), v.div(3)) };
        },
      });`],
    ["functions of the language, records by name", refractory, `
      export default defineNeuron({
        name: "refractory", state: { v: 0, wait: 0 }, params: { decay: 0.8, period: 4 },
        step: (state, { x }, p) => {
          const { wait } = state;
          const h = where(lessEqual(wait, 0), state.v.mul(p.decay).add(x), 0);
          const s = spike(h.sub(1), surrogate.fastSigmoid());
          return { spike: s, v: h.mul(sub(1, s)), wait: maximum(wait.sub(1), detach(s).mul(p.period)) };
        },
      });`],
    ["arithmetic of numbers, helpers, a surrogate of one's own", ownSurrogate, `
      const [tau, start] = [4 * 5, 1 / 2 ** 2];
      const settings = { leak: Math.exp(-1 / tau), threshold: true ? 1 : 2 };
      const soften = (k) => surrogate.custom((u) => exp(abs(u).mul(-k)), "exponential");
      const charge = (v, x, gate) => { const driven = x.mul(gate); return v.add(driven); };
      const own = defineNeuron({
        name: "own", state: { v: start }, inputs: ["x", "gate"],
        step({ v: before }, { x, gate }) {
          const s = spike(charge(before, x, gate).sub(settings.threshold), soften(2), { strict: true });
          return { spike: s, v: before.mul(settings.leak).sub(s), graded: s.mul(before) };
        },
      });`],
    ["lif", lif({ tau: 4, reset: "soft", detachReset: true, surrogate: surrogate.atan({ alpha: 3 }) }),
      `lif({ tau: 4, reset: "soft", detachReset: true, surrogate: surrogate.atan({ alpha: 3 }) })`],
    ["integrateAndFire", integrateAndFire({ threshold: 0.5, vReset: -0.25 }), `integrateAndFire({ threshold: 0.5, vReset: -0.25 })`],
    ["parametricLif", parametricLif({ tau: 3 }), `const neuron = parametricLif({ tau: 3 });`],
    ["leaky", leaky({ beta: 0.7, reset: "zero" }), `leaky({ beta: 0.7, reset: "zero" })`],
    ["synaptic", synaptic({ alpha: 0.6, surrogate: surrogate.triangular() }), `export const s = synaptic({ alpha: 0.6, surrogate: surrogate.triangular() })`],
  ])("defines the same neuron as the code: %s", (_, neuron, text) => {
    expect(keyOf(readDefinition(text))).toBe(keyOf(neuron));
  });

  it("defines the last of several neurons", () => {
    expect(readDefinition(`const a = lif();\nconst b = leaky();\nconst c = 3;`).name).toBe("leaky");
  });

  it.each(Object.entries({
    // defineNeuron takes no neuron whose output is no spike.
    ...Object.fromEntries(Object.entries(neurons).filter(([name]) => !["liaf", "leakyIntegrator"].includes(name)).map(([name, make]) => [name, make()])),
    adaptiveLif, refractory, ownSurrogate,
    soft: lif({ tau: 3, decayInput: false, reset: "soft" }), rest: lif({ vReset: -0.5, detachReset: true }), zero: synaptic({ reset: "zero" }),
  }))("is what a neuron is printed as: %s", (_, neuron) => {
    const text = printDefinition(neuron);
    expect(keyOf(readDefinition(text)), text).toBe(keyOf(neuron));
  });
});

describe("mistakes in a definition", () => {
  it.each([
    ["syntax", `const a = ;`, 1, 11, /unexpected token/],
    ["a text that never ends", `defineNeuron({\n  name: "n\n})`, 2, 9, /unterminated string/],
    ["no neuron", `const a = 1;`, 1, 1, /defines no neuron/],
    ["nothing", ``, 1, 1, /defines no neuron/],
    ["an operator between expressions", step(`  const h = v * decay + x;\n  return { spike: spike(h, surrogate.atan()), v: h };`), 2, 13, /a\.mul\(b\) instead of \*/],
    ["a negated expression", step(`return { spike: spike(-v, surrogate.atan()), v };`), 2, 23, /x\.neg\(\)/],
    ["a condition on an expression", step(`return { spike: spike(v.greater(1) ? v : x, surrogate.atan()), v };`), 2, 23, /where\(condition, a, b\)/],
    ["an unknown name", step(`return { spike: spike(q, surrogate.atan()), v };`), 2, 23, /q is not known here/],
    ["an unknown method", step(`return { spike: spike(v.node(), surrogate.atan()), v };`), 2, 25, /no method node; it has add, /],
    ["an argument too many", step(`return { spike: spike(v.exp(x), surrogate.atan()), v };`), 2, 23, /exp takes 1 argument\(s\), got 2/],
    ["an unknown surrogate", step(`return { spike: spike(v, surrogate.arctan()), v };`), 2, 36, /no arctan here; there is .*atan/],
    ["a state that is not declared", `defineNeuron({ name: "n", state: { v: 0 },\n  step({ v, a }, { x }) { return { spike: spike(v, surrogate.atan()), v }; } })`, 2, 13, /reads state a, which is not declared/],
    ["a state that is not returned", `\n  defineNeuron({ name: "n", state: { v: 0 }, step: ({ v }, { x }) => ({ spike: spike(v, surrogate.atan()) }) })`, 2, 3, /does not return the state v/],
    ["an option out of range", `lif({\n tau: 0.5 })`, 1, 1, /tau is 0\.5: expected a finite number > 1/],
    ["an option that there is not", `lif({ taux: 5 })`, 1, 1, /no option taux/],
    ["a comparison as a number", step(`return { spike: spike(v.greater(1).mul(2), surrogate.atan()), v };`), 2, 23, /not a comparison/],
    ["an undefined argument", step(`const f = () => {};\nreturn { spike: spike(v.add(f()), surrogate.atan()), v };`), 3, 23, /got undefined/],
  ])("are reported where they are: %s", (_, text, line, column, message) => {
    const found = complaint(text);
    expect(found.message).toMatch(message);
    expect([found.line, found.column]).toEqual([line, column]);
  });

  it.each([
    `globalThis`, `window.alert(1)`, `self`, `process.exit()`, `fetch("/")`, `eval("1")`, `Function("return 1")()`, `new Function("1")`, `require("fs")`,
    `import("fs")`, `import.meta`, `import fs from "fs";`, `import { openDevice } from "spikefold";`, `import * as all from "spikefold";`, `export * from "spikefold";`,
    `lif.constructor("return this")()`, `lif()["constructor"]`, `lif().constructor`, `lif().step`, `surrogate.__proto__`, `surrogate["atan"]`, `({}).constructor`,
    `({}).__proto__`, `({ __proto__: null })`, `({ constructor: 1 })`, `const { constructor } = lif();`, `const { toString } = {};`, `const { step } = lif();`,
    `[].constructor`, `[]["map"]`, `[1].length`, `"a".length`, `"a".constructor`, `(1).toFixed()`, `(() => 1).constructor`, `(() => 1).call()`, `exp.bind`,
    `({ get name() { return 1; } })`, `({ ["a"]: 1 })`, `({ ...{} })`, `[...[1]]`, `[, 1]`, `lif(...[])`, "`a`", "lif`a`", `/a/.test("a")`, `10n`, `null`,
    `for (;;) {}`, `while (true) {}`, `do {} while (true)`, `for (const a of [1]) {}`, `for (const a in {}) {}`, `if (true) {}`, `switch (1) {}`, `try {} catch {}`,
    `throw 1`, `let a = 1;`, `var a = 1;`, `a = 1`, `const a = 1; a++`, `function f() {}`, `class A {}`, `(class {})`, `(function* () {})`, `(async () => {})`,
    `await 1`, `this`, `debugger`, `{ 1; }`, `label: 1`, `1, 2`, `1 || 2`, `a?.b`, `typeof 1`, `void 0`, `delete surrogate.atan`, `"a" + "b"`, `1 & 2`, `"a" in {}`,
    `({}) instanceof lif`, `const arguments = 1;`, `((a = 1) => a)(2)`, `((...a) => a)(2)`, `const { ...a } = {};`, `export function f() {}`, `export default class {}`,
    `surrogate.atan = 1`, `defineNeuron({ name: "n", state: { v: 0 }, step: exp })`,
    step(`this.v; return { spike: spike(v, surrogate.atan()), v };`), step(`return { spike: spike(x.node, surrogate.atan()), v };`),
    step(`return { spike: spike(x.node.kind, surrogate.atan()), v };`), step(`return { spike: spike(v.constructor(1), surrogate.atan()), v };`),
    `defineNeuron({ name: "n", state: { v: 0 }, step(s, i) { return { spike: spike(s.toString, surrogate.atan()), v: s.v }; } })`,
    `defineNeuron({ name: "n", state: { v: 0 }, step(s, i) { return { spike: spike(s.constructor, surrogate.atan()), v: s.v }; } })`,
    `defineNeuron({ name: "n", state: { "a b": 0 }, step: (s, i) => ({}) })`,
  ])("are all that is no neuron: %s", (text) => {
    const { message } = complaint(text);
    expect(message).not.toMatch(/is not a function|undefined \(reading|Cannot read/);
    expect(message).not.toMatch(/^the text defines no neuron/);
  });

  it("are definitions without end, found quickly", () => {
    const start = performance.now();
    expect(complaint(`const f = (x) => f(x);\nf(1);`).message).toMatch(/more than \d+ deep/);
    const doubling = Array.from({ length: 30 }, (_, i) => `const f${i + 1} = (x) => f${i}(f${i}(x));`).join("\n");
    expect(complaint(`const f0 = (x) => x + 1;\n${doubling}\nconst y = f30(1);`).message).toMatch(/evaluations/);
    expect(complaint(`const x = ${"(".repeat(9000)}1${")".repeat(9000)};`).message).toMatch(/nested too deeply/);
    expect(complaint(`const x = ${"-".repeat(5000)}1;`).message).toMatch(/unexpected|nested|assign/);
    expect(complaint(`const x = ${"- ".repeat(9000)}1;`).message).toMatch(/nested too deeply/);
    expect(complaint(`const x = ${"[".repeat(9000)}1${"]".repeat(9000)};`).message).toMatch(/nested too deeply/);
    expect(complaint(" ".repeat(30_000)).message).toMatch(/30000 characters/);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it("leaves nothing behind in the page", () => {
    const before = Object.getOwnPropertyNames(Object.prototype).length;
    complaint(`({ __proto__: { polluted: 1 } })`);
    complaint(`const { __proto__: p } = {};`);
    expect(Object.getOwnPropertyNames(Object.prototype)).toHaveLength(before);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});
