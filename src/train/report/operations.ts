import type { LayerOperations } from "./data.ts";
import { count, percent, significant } from "./format.ts";
import { html, type Html } from "./html.ts";

/** Picojoules of one operation on 32-bit floats in 45 nm: M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014. */
export const ENERGY = { multiplication: 3.7, addition: 0.9 };
const MAC = ENERGY.multiplication + ENERGY.addition;

/** Of a sample, in picojoules: with spikes, and of the same network without. */
export function energyOf(layers: readonly LayerOperations[]): { spiking: number; dense: number } {
  return {
    spiking: sum(layers.map(({ operations, additions }) => operations * (additions ? ENERGY.addition : MAC))),
    dense: sum(layers.map(({ macs }) => macs * MAC)),
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Synaptic operations beside the multiply-accumulates of the same layers without spikes. */
export function operationsSection(layers: readonly LayerOperations[]): Html {
  const [operations, macs] = [sum(layers.map((layer) => layer.operations)), sum(layers.map((layer) => layer.macs))];
  const { spiking, dense } = energyOf(layers);
  return html`<section>
<h2>Operations</h2>
<p class="lead">For a test sample: ${count(operations)} synaptic operations in all time steps; without spikes, the same layers take ${count(macs)} multiply-accumulates, once.</p>
<div class="card"><div class="scroll" tabindex="0" role="region" aria-label="Operations of the layers with weights"><table class="numbers">
<caption>Layers with weights</caption>
<thead><tr><th scope="col">Layer</th><th scope="col">Inputs not 0</th><th scope="col">Synaptic operations</th><th scope="col">each</th><th scope="col">MACs without spikes</th></tr></thead>
<tbody>${layers.map(({ layer, density, operations: each, additions, macs: without }) => html`<tr><th scope="row">${layer}</th><td>${percent(density)}</td><td>${count(each)}</td><td>${additions ? "addition" : "MAC"}</td><td>${count(without)}</td></tr>
`)}</tbody>
<tfoot><tr><th scope="row">Total</th><td></td><td>${count(operations)}</td><td></td><td>${count(macs)}</td></tr></tfoot></table></div>
<p>A synaptic operation is one input that is not 0 through one connection: steps × MACs of the layer × share of inputs that are not 0. Where all inputs are spikes it is an addition; a layer whose input is the same in all steps runs once.
With ${ENERGY.addition} pJ an addition and ${MAC} pJ a multiply-accumulate (32-bit floats in 45 nm, Horowitz 2014) that is ${significant(spiking / 1e3)} nJ against ${significant(dense / 1e3)} nJ.
Neurons, biases and memory are not counted.</p></div>
</section>`;
}
