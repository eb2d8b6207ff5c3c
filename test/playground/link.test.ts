import { describe, expect, it } from "vitest";
import { library } from "../../playground/src/definition/names.ts";
import { isFields } from "../../playground/src/definition/values.ts";
import { fromHash, toHash } from "../../playground/src/link.ts";
import { builtins, sourceOf } from "../../playground/src/neuron/builtins.ts";
import { examples } from "../../playground/src/neuron/examples.ts";
import { readDefinition } from "../../playground/src/definition/read.ts";
import { reference } from "../../playground/src/neuron/reference.ts";
import { initialState, type State } from "../../playground/src/state.ts";

describe("an address", () => {
  const states: Record<string, State> = {
    first: initialState,
    "no options": { ...initialState, options: {} },
    options: { ...initialState, neuron: "synaptic", options: { alpha: 0.25, reset: "zero", surrogate: "erf", scale: 1.5 } },
    flags: { ...initialState, options: { tau: 3, detachReset: true } },
    code: { ...initialState, neuron: "code", options: {}, code: examples.izhikevich.code + "// 100 % & ? # +", params: { a: -0.02, b: 1e-7 } },
    everything: {
      ...initialState, input: { kind: "poisson", amplitude: -1.5, period: 7, rate: 0.4, jitter: 0, seed: 99 }, steps: 77, shown: 63,
      kernels: { target: "wat", direction: "backward", steps: 1000, inputs: "bf16", spikes: "bits" },
    },
  };

  it.each(Object.entries(states))("brings back what it was made of: %s", (_, state) => {
    const { panel, state: found } = fromHash(`#${toHash("kernels", state)}`);
    expect(panel).toBe("kernels");
    expect({ ...found, options: state.neuron === "code" ? {} : found.options }).toEqual(state);
  });

  it("is short for the first state", () => {
    expect(toHash("neuron", initialState)).toBe("neuron");
  });

  it.each([
    "steps=0&T=100000&T=abc&shown=64&input=sawtooth&amplitude=&amplitude=Infinity&period=1&rate=2&noise=-1&seed=0.5&target=spirv&spikes=f64&inputs=bits",
    "o.tau=alert(1)&p.leak=NaN&p.=&constructor=1&__proto__=2", "?&&==%zz", "neuron=constructor", "neuron=__proto__",
  ])("is read without harm when it is wrong: %s", (query) => {
    expect({ ...fromHash(`#neuron?${query}`).state, options: initialState.options, params: {} }).toEqual(initialState);
  });
});

describe("the controls of the built-in neurons", () => {
  it.each(Object.keys(builtins))("make a definition that can be read: %s", (neuron) => {
    expect(readDefinition(sourceOf({ ...initialState, neuron, options: {} })).name).toBe(neuron);
    for (const option of builtins[neuron].options) {
      const values = option.kind === "number" ? [option.min, option.max] : option.kind === "flag" ? [true, false] : option.choices.map(([word]) => word);
      for (const value of values) expect(readDefinition(sourceOf({ ...initialState, neuron, options: { [option.name]: value } })).name, `${option.name} ${value}`).toBe(neuron);
    }
  });

  it("keep to their defaults where a link says nonsense", () => {
    const nonsense = { tau: "5", threshold: true, reset: "gently", surrogate: "x })", scale: "2", other: 1 };
    expect(sourceOf({ ...initialState, options: nonsense })).toBe("lif()");
  });
});

describe("the page's own texts", () => {
  it.each(Object.entries(examples))("hold examples that can be read: %s", (_, { code }) => {
    expect(readDefinition(code).outputs).toEqual(["spike"]);
  });

  it("name all of the language", () => {
    const text = Object.values(reference).join(" ");
    const names = Object.entries(library).flatMap(([name, value]) => (name === "surrogate" && isFields(value) ? [name, ...Object.keys(value)] : [name]));
    expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(text))).toEqual([]);
  });
});
