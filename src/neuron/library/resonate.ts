import { checkOptions, finite, flag, type OptionKinds, positive } from "../../check.ts";
import { NeuronError } from "../../errors.ts";
import { defineNeuron, type Neuron } from "../define.ts";
import { constant, cos, detach, exp, sin, spike } from "../expr.ts";
import { namesAmong, surrogateKind } from "../kinds.ts";
import { atan, type Surrogate } from "../surrogate.ts";

export interface ResonateAndFireOptions {
  /** Attraction to rest per unit of time, negative for a damped neuron. Default −0.1. */
  b?: number;
  /** Angular frequency of its oscillation, in radians per unit of time. Default 0.5. */
  omega?: number;
  /** Length of a step. Default 1. */
  dt?: number;
  /** Default 1. */
  threshold?: number;
  /** Whether a spike sets the current to 0 and the voltage to vReset; else it changes nothing. Default true. */
  reset?: boolean;
  /** Default 1, as in the paper. */
  vReset?: number;
  /** Whether the gradient ignores the spike inside the reset. Default false. */
  detachReset?: boolean;
  /** Default surrogate.atan({ alpha: 2 }). */
  surrogate?: Surrogate;
  /** Parameters that a layer learns. Default: none. */
  learnable?: readonly ("b" | "omega" | "threshold")[];
}

const kinds: OptionKinds<ResonateAndFireOptions> = {
  b: finite, omega: finite, dt: positive, threshold: finite, reset: flag, vReset: finite, detachReset: flag, surrogate: surrogateKind, learnable: namesAmong("b", "omega", "threshold"),
};

/**
 * Resonate-and-fire (Izhikevich, Neural Networks, 2001): z' = (b + iω)z + input, with z = i + √−1·v, a current and a voltage; it fires where v > threshold, and is
 * then set to √−1. Between steps the equation is solved exactly; an input is a pulse that shifts the current: z ← e^{(b + iω)dt}·z + x.
 * @throws NeuronError for an option of a wrong kind or of an unknown name
 */
export function resonateAndFire(options: ResonateAndFireOptions = {}): Neuron<"i" | "v", "x", "b" | "omega" | "threshold"> {
  const name = "resonateAndFire";
  checkOptions(name, options, kinds, NeuronError);
  const { b = -0.1, omega = 0.5, dt = 1, threshold = 1, reset = true, vReset = 1, detachReset = false, surrogate = atan(), learnable = [] } = options;
  return defineNeuron({
    name, state: { i: 0, v: 0 }, params: { b, omega, threshold }, learnable,
    step({ i, v }, { x }, p) {
      const [decay, angle] = [exp(p.b.mul(dt)), p.omega.mul(dt)];
      const [along, across] = [decay.mul(cos(angle)), decay.mul(sin(angle))];
      const current = i.mul(along).sub(v.mul(across)).add(x);
      const h = i.mul(across).add(v.mul(along));
      const s = spike(h.sub(p.threshold), surrogate, { strict: true });
      if (!reset) return { spike: s, i: current, v: h };
      const q = detachReset ? detach(s) : s;
      const kept = constant(1).sub(q);
      return { spike: s, i: kept.mul(current), v: kept.mul(h).add(q.mul(vReset)) };
    },
  });
}
