import { describe, expect, it } from "vitest";
import { gradient, resonateAndFire, simulate } from "../../src/index.ts";

/** The equations in f64: z ← e^{(b + iω)dt}·z + x; where Im z > θ a spike, and z ← i·vReset. */
function reference(x: ArrayLike<number>, { b = -0.1, omega = 0.5, dt = 1, threshold = 1, vReset = 1 as number | null } = {}) {
  let [current, v] = [0, 0];
  return Array.from(x, (input) => {
    const [decay, angle] = [Math.exp(b * dt), omega * dt];
    [current, v] = [decay * (Math.cos(angle) * current - Math.sin(angle) * v) + input, decay * (Math.sin(angle) * current + Math.cos(angle) * v)];
    const spike = Number(v > threshold);
    if (spike && vReset !== null) [current, v] = [0, vReset];
    return { spike, i: current, v };
  });
}

const pulses = (every: number, steps: number): Float32Array => Float32Array.from({ length: steps }, (_, t) => (t % every === 0 ? 0.9 : 0));

describe("resonateAndFire", () => {
  it.each([[{}], [{ b: -0.05, omega: 1.1, dt: 0.7, threshold: 0.6, vReset: 0.3 }], [{ reset: false }]])("equals the equation's exact solution in f64: %o", async (options) => {
    const steps = 120;
    const x = Float32Array.from({ length: steps }, (_, t) => 0.5 * Math.sin(0.5 * t) + 0.3 * Math.cos(2.3 * t + 1));
    const { spikes, traces } = await simulate(resonateAndFire(options), x, { steps, record: ["i", "v"] });
    const expected = reference(x, "reset" in options ? { vReset: null } : options);
    expect(expected.filter(({ spike }) => spike).length).toBeGreaterThan(3);
    expect([...spikes]).toEqual(expected.map(({ spike }) => spike));
    for (const name of ["i", "v"] as const) expected.forEach((at, t) => expect(Math.abs(traces[name][t] - at[name])).toBeLessThan(2e-5));
  });

  it("fires for pulses at its own frequency, and not for others as strong", async () => {
    const steps = 60;
    const neuron = resonateAndFire({ b: -0.05, omega: (2 * Math.PI) / 12, threshold: 1.2 });
    const count = async (every: number): Promise<number> => (await simulate(neuron, pulses(every, steps), { steps })).spikes.reduce((sum, s) => sum + s, 0);
    expect(await count(12)).toBeGreaterThan(0);
    expect(await count(6)).toBe(0);
    expect(await count(18)).toBe(0);
  });

  it("has the gradient of the rotation where it does not fire", async () => {
    const [b, omega] = [-0.2, 0.4];
    const { input } = await gradient(resonateAndFire({ b, omega, threshold: 100 }), Float32Array.of(0.5, 0), Float32Array.of(0, 1), { steps: 2 });
    // ∂v₂/∂x₁ = e^b·sin ω, times the surrogate's derivative at v₂ − 100.
    const u = 0.5 * Math.exp(b) * Math.sin(omega) - 100;
    expect(input[0] / ((Math.exp(b) * Math.sin(omega)) / (1 + (Math.PI * u) ** 2))).toBeCloseTo(1, 4);
  });
});
