import type { Fields } from "./fields.ts";
import type { Signal } from "./layout.ts";
import { type DynamicType, DYNAMICS } from "./neurons.ts";

/**
 * The parameters of a node's neuron in steps of dt, one value for each neuron. By Euler's method τ·dv/dt = (v_leak − v) + R·I is
 *
 *     v ← (1 − dt/τ)·v + (dt/τ)·R·I + (dt/τ)·v_leak,
 *
 * dv/dt = R·I is v ← v + dt·R·I, and τ_syn·dI/dt = −I + w_in·S is I ← (1 − dt/τ_syn)·I + (dt/τ_syn)·w_in·S.
 * @throws FileFormatError for time constants that are not positive, or shorter than dt
 */
export function discretise(fields: Fields, type: DynamicType, signal: Signal, dt: number): Record<string, Float64Array> {
  const values = (name: string): Float64Array => fields.perNeuron(name, signal);
  const otherwise = (name: string, value: number): Float64Array => (fields.has(name) ? values(name) : values("r").fill(value));
  const rates = (name: string): Float64Array => values(name).map((tau) => {
    if (!(tau > 0)) fields.fail(`has the time constant ${name} = ${tau}: expected seconds > 0`);
    // The quotient of what was a product of dt may be off by a rounding.
    if (dt > tau * (1 + 1e-6)) fields.fail(`has the time constant ${name} = ${tau} s, shorter than dt = ${dt} s: by Euler's method it would overshoot; take a dt that is not longer`);
    return Math.min(dt / tau, 1);
  });
  const firing: Record<string, Float64Array> = DYNAMICS[type].fires ? { threshold: values("v_threshold"), vReset: otherwise("v_reset", 0) } : {};
  if (type === "I" || type === "IF") return { gain: values("r").map((r) => r * dt), ...firing };
  const isCuba = type === "CubaLI" || type === "CubaLIF";
  const rate = rates(isCuba ? "tau_mem" : "tau");
  const leak = { decay: rate.map((k) => 1 - k), gain: product(rate, values("r")), drift: product(rate, values("v_leak")) };
  if (!isCuba) return { ...leak, ...firing };
  const currentRate = rates("tau_syn");
  return { currentDecay: currentRate.map((k) => 1 - k), currentGain: product(currentRate, otherwise("w_in", 1)), ...leak, ...firing };
}

const product = (a: Float64Array, b: Float64Array): Float64Array => a.map((value, i) => value * b[i]);

/** The one value of parameters that have the same everywhere, and the others for `fixed` of a spiking layer: one for each channel where that says all, else for each neuron. */
export function split(params: Readonly<Record<string, Float64Array>>, channels: number): { same: Record<string, number>; fixed: Record<string, Float32Array> } {
  // What vanishes as an f32 is 0.
  const same = Object.fromEntries(Object.entries(params).map(([name, [value]]) => [name, Math.fround(value) === 0 ? 0 : value]));
  const varied = Object.entries(params).filter(([, values]) => values.some((value) => value !== values[0]));
  return { same, fixed: Object.fromEntries(varied.map(([name, values]) => [name, Float32Array.from(values.every((value, i) => value === values[i % channels]) ? values.subarray(0, channels) : values)])) };
}
