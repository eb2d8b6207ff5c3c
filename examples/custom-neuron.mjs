// A neuron of one's own: an adaptive leaky integrate-and-fire neuron, whose threshold rises with every spike.
// Run: node examples/custom-neuron.mjs
import { defineNeuron, gradient, openDevice, simulate, spike, surrogate } from "spikefold";

const adaptiveLif = defineNeuron({
  name: "adaptiveLif",
  state: { v: 0, a: 0 },
  params: { decay: 0.9, rho: 0.98, beta: 0.6 },
  step({ v, a }, { x }, { decay, rho, beta }) {
    const h = v.mul(decay).add(x);
    const s = spike(h.sub(a.mul(beta)).sub(1), surrogate.atan({ alpha: 2 }));
    return { spike: s, v: h.sub(s), a: a.mul(rho).add(s) };
  },
});

const device = await openDevice("cpu");

// A step of current: nothing, then 0.6, into one neuron.
const steps = 200;
const onset = 20;
const input = Float32Array.from({ length: steps }, (_, t) => (t < onset ? 0 : 0.6));
const { spikes, traces } = await simulate(adaptiveLif, input, { steps, device, record: ["a"] });
const spikeTimes = [...spikes.keys()].filter((t) => spikes[t] === 1);
console.log(`spike times: ${spikeTimes.join(" ")}`);
console.log(`inter-spike intervals: ${spikeTimes.slice(1).map((t, i) => t - spikeTimes[i]).join(" ")}`);
console.log(`adaptation after the last step: ${traces.a[steps - 1].toFixed(3)}`);

// The gradient of the number of spikes, with respect to every input value and every parameter.
const found = await gradient(adaptiveLif, input, new Float32Array(steps).fill(1), { steps, device });
console.log(`d spikes / d input at the onset: ${found.input[onset].toFixed(4)}`);
for (const [name, value] of Object.entries(found.params)) console.log(`d spikes / d ${name}: ${Number(value).toFixed(3)}`);

// The same neurons with all time steps in one kernel, and one step at a time. The first run of each compiles.
const [size, longer] = [16384, 128];
const noise = Float32Array.from({ length: longer * size }, (_, i) => 0.3 + 0.5 * Math.sin(i * 12.9898));
const run = async (stepwise = false) => {
  const start = performance.now();
  const { spikes: found } = await simulate(adaptiveLif, noise, { steps: longer, device, stepwise });
  return { ms: performance.now() - start, spikes: found };
};
const [fused, stepwise] = [await run(), await run(true)];
const times = { fused: [0], stepwise: [0] };
for (let i = 0; i < 5; i++) {
  times.fused[i] = (await run()).ms;
  times.stepwise[i] = (await run(true)).ms;
}
const [fusedMs, stepwiseMs] = [times.fused, times.stepwise].map((ms) => ms.sort((a, b) => a - b)[2]);
console.log(`${size} neurons, ${longer} steps, copies in and out included: ${fusedMs.toFixed(0)} ms fused, ${stepwiseMs.toFixed(0)} ms step by step`);
const differing = fused.spikes.reduce((count, s, i) => count + Number(s !== stepwise.spikes[i]), 0);
console.log(`spikes that differ: ${differing} of ${fused.spikes.length}`);

await device.dispose();
