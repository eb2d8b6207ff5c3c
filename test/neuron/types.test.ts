import { expect, it } from "vitest";
import { defineNeuron, gradient, leaky, lif, neuronByName, type Neuron, parametricLif, simulate, spike, spiking, surrogate, synaptic } from "../../src/index.ts";

/** The compiler checks this function; nothing runs it. */
async function names(): Promise<void> {
  const x = new Float32Array(4);
  const steps = 2;
  const mine = defineNeuron({
    name: "mine", state: { v: 0, a: 0 }, inputs: ["x"], params: { decay: 0.9 },
    step: ({ v, a }, { x: input }, { decay }) => ({ spike: spike(v.add(input), surrogate.atan()), v: v.mul(decay), a }),
  });
  // @ts-expect-error: w is not a state
  defineNeuron({ name: "n", state: { v: 0 }, step: ({ v, w }) => ({ spike: spike(v, surrogate.atan()), v, w }) });
  // @ts-expect-error: w is not a parameter
  defineNeuron({ name: "n", state: { v: 0 }, params: { tau: 2 }, learnable: ["w"], step: ({ v }) => ({ spike: spike(v, surrogate.atan()), v }) });
  // @ts-expect-error: the state v is not returned
  defineNeuron({ name: "n", state: { v: 0 }, step: ({ v }) => ({ spike: spike(v, surrogate.atan()) }) });

  const { state, traces } = await simulate(mine, x, { steps, record: ["a"], params: { decay: 0.5 } });
  const arrays: Float32Array[] = [state.v, state.a, traces.a];
  // @ts-expect-error: v was not recorded
  arrays.push(traces.v);
  // @ts-expect-error: w is not a state
  arrays.push(state.w);
  // @ts-expect-error: w is not a state
  await simulate(mine, x, { steps, record: ["w"] });
  // @ts-expect-error: dcay is not a parameter
  await simulate(mine, x, { steps, params: { dcay: 0.5 } });
  // @ts-expect-error: the state a is not given
  await simulate(mine, x, { steps, state: { v: x } });
  // @ts-expect-error: there is no such option
  await simulate(mine, x, { steps, recrod: ["a"] });
  // @ts-expect-error: lif has no parameters
  await simulate(lif(), x, { steps, params: { tau: 3 } });
  await simulate(synaptic(), x, { steps, record: ["i", "v"], params: { alpha: 0.5, beta: new Float32Array(2) } });

  const found = await gradient(leaky(), x, x, { steps });
  const numbers: (number | Float32Array)[] = [found.params.beta, found.params.threshold];
  // @ts-expect-error: alpha is not a parameter of leaky
  numbers.push(found.params.alpha);

  spiking(parametricLif(), { learn: ["w"], perChannel: ["w"] });
  // @ts-expect-error: tau is not a parameter
  spiking(parametricLif(), { learn: ["tau"] });
  // @ts-expect-error: alpha is not a parameter of leaky
  leaky({ learnable: ["alpha"] });

  // A neuron of any kind, or one of several, goes wherever a neuron does.
  const any: Neuron = mine;
  const { traces: byName } = await simulate(neuronByName("lif"), x, { steps, record: Object.keys(any.state), params: { whatever: 1 } });
  arrays.push(byName.v);
  for (const one of [lif(), leaky(), synaptic()]) {
    await simulate(one, x, { steps, record: ["v"] });
    spiking(one, { learn: false });
  }
  const list: Neuron[] = [lif(), leaky(), mine];
  spiking(list[0], { learn: ["anything"] });
}

it("names are typed where they are known", () => expect(names).toBeTypeOf("function"));
