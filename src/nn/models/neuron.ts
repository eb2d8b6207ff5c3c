import type { Neuron } from "../../neuron/define.ts";
import { lif } from "../../neuron/library/index.ts";
import { atan } from "../../neuron/surrogate.ts";

/** The LIF of temporal fusion, v ← 0.2·v·(1 − y) + x, y = [v ≥ 0.3] (Li et al., ICANN 2024, arXiv 2408.00280): in SpikingJelly's terms tau = 1.25, as the decay is 1 − 1/tau. */
export const temporalFusionLif = (): Neuron => lif({ tau: 1.25, decayInput: false, threshold: 0.3, surrogate: atan() });
