/** Definitions to begin with. */
export const examples: Readonly<Record<string, { title: string; code: string }>> = {
  adaptive: {
    title: "Adaptive LIF",
    code: `defineNeuron({
  name: "adaptiveLif",
  state: { v: 0, a: 0 },
  params: { decay: 0.9, rho: 0.97, beta: 0.3 },
  step({ v, a }, { x }, { decay, rho, beta }) {
    const h = v.mul(decay).add(x.mul(0.2));
    const threshold = a.mul(beta).add(1);
    const s = spike(h.sub(threshold), surrogate.atan());
    return { spike: s, v: h.sub(s), a: a.mul(rho).add(s) };
  },
});
`,
  },
  refractory: {
    title: "Refractory LIF",
    code: `defineNeuron({
  name: "refractory",
  state: { v: 0, wait: 0 },
  params: { decay: 0.8, period: 4 },
  step({ v, wait }, { x }, { decay, period }) {
    const h = where(lessEqual(wait, 0), v.mul(decay).add(x.mul(0.3)), 0);
    const s = spike(h.sub(1), surrogate.fastSigmoid({ slope: 5 }));
    return {
      spike: s,
      v: h.mul(sub(1, s)),
      wait: maximum(wait.sub(1), detach(s).mul(period)),
    };
  },
});
`,
  },
  resonate: {
    title: "Resonate-and-fire",
    code: `// The membrane v rings with a current i (Izhikevich 2001).
defineNeuron({
  name: "resonateAndFire",
  state: { v: 0, i: 0 },
  params: { damping: 0.08, omega: 0.45 },
  step({ v, i }, { x }, { damping, omega }) {
    const keep = sub(1, damping);
    const current = i.mul(keep).sub(v.mul(omega)).add(x.mul(0.4));
    const h = v.mul(keep).add(i.mul(omega));
    const s = spike(h.sub(1), surrogate.triangular());
    return { spike: s, v: h.mul(sub(1, s)), i: current };
  },
});
`,
  },
  izhikevich: {
    title: "Izhikevich",
    code: `// Regular spiking, in millivolts and milliseconds (Izhikevich 2003).
defineNeuron({
  name: "izhikevich",
  state: { v: -65, u: -13 },
  params: { a: 0.02, b: 0.2, c: -65, d: 8 },
  step({ v, u }, { x }, { a, b, c, d }) {
    const current = x.mul(6).sub(u).add(140);
    const h = square(v).mul(0.04).add(v.mul(6)).add(current);
    const w = u.add(a.mul(b.mul(v).sub(u)));
    const s = spike(h.sub(30), surrogate.sigmoid({ alpha: 0.1 }));
    return { spike: s, v: where(s.greater(0), c, h), u: w.add(s.mul(d)) };
  },
});
`,
  },
};
