/** The language of definitions, in a few lines. */
export const reference: Readonly<Record<string, string>> = {
  arithmetic: "a.add(b) a.sub(b) a.mul(b) a.div(b) a.neg(), or add(a, b) sub mul div neg",
  functions: "a.exp() or exp(a), log sqrt tanh sigmoid abs square sin cos atan erf floor expm1 log1p minimum(a, b) maximum",
  choice: "where(a.greater(b), c, d), with greater greaterEqual less lessEqual equal notEqual logicalAnd logicalOr logicalNot",
  spikes: "spike(u, surrogate.atan({ alpha: 2 })): 1 where u ≥ 0; { strict: true }: where u > 0; detach(x) stops the gradient",
  surrogates: "surrogate.sigmoid atan fastSigmoid rectangular triangular piecewiseQuadratic erf superSpike softSign piecewiseExp piecewiseLeakyRelu straightThrough spikeRateEscape s2nn multiGaussian custom((u) => …)",
  neurons: "defineNeuron({ name, state, inputs, params, learnable, step }); lif() integrateAndFire parametricLif leaky synaptic lapicque alpha cubaLif quadraticIf exponentialIf izhikevich gatedLif klif liaf integerLif adaptiveLif leakyIntegrator refractoryLif adEx resonateAndFire",
  numbers: "1 + 2 * 3, Math.exp(-1 / 20), Math.PI, Infinity, const, functions, objects, arrays",
};
