import { OptionError } from "../../errors.ts";
import type { Neuron } from "../../neuron/define.ts";
import type { Spiking } from "../../nn/spiking.ts";
import { fromMatrix, orderOf, toNir } from "./layout.ts";
import { type LayerForm, layerForm, type NeuronNote, writeNote } from "./note.ts";
import { NoForm } from "./outcomes.ts";
import type { NumberArray } from "./tree.ts";
import type { Wire, Wiring } from "./wiring.ts";

/** Writes a layer of neurons, and the connections of a recurrent one as a node between it and itself. */
export async function writeNeurons(wiring: Wiring, layer: Spiking, name: string, input: Wire): Promise<Wire> {
  const { signal } = input;
  const order = orderOf(signal);
  const note = await noteOf(layer);
  const form = formOfLayer(layer, note, order.length, wiring.dt);
  const perNeuron = (values: Float64Array): NumberArray => ({ shape: signal.shape, data: toNir(values, order) });
  const fields = Object.fromEntries(Object.entries(form.fields).map(([field, values]) => [field, perNeuron(values)]));
  const weights = layer.options.weights as NeuronNote["weights"];
  const neurons = wiring.add(name, form.type, fields, signal, input, writeNote({ ...note, rule: form.rule, weights }));
  wiring.rules.push(...unsaidBy(layer.own, form).map((what) => `${layer.name}: ${what}, which NIR does not say: in the metadata alone`));
  if (weights === undefined) return neurons;

  const [weight, bias] = await Promise.all(layer.parameters().slice(0, layer.options.bias ? 2 : 1).map(async ({ value }) => (await value.device.read(value)) as Float32Array));
  const [size] = signal.shape;
  const back = `${name}.recurrent`;
  if (weights === "elementwise" && !bias?.some((value) => value !== 0)) {
    const scale = perNeuron(Float64Array.from(order, (_, j) => weight[j % weight.length]));
    wiring.connect(wiring.add(back, "Scale", { scale }, signal, neurons), neurons);
    return neurons;
  }
  if (signal.shape.length > 1) throw new OptionError(`exportNir: ${layer.name} adds a bias to what comes back to neurons of shape [${signal.shape.join(", ")}]: NIR has such a node, Affine, for [N] alone`);
  const matrix = weights === "dense" ? weight : Float32Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? weight[i / (size + 1)] : 0));
  const affine = { weight: { shape: [size, size], data: fromMatrix(matrix, order, order) }, ...(bias ? { bias: { shape: [size], data: Float32Array.from(toNir(Float64Array.from(bias), order)) } } : {}) };
  wiring.connect(wiring.add(back, bias ? "Affine" : "Linear", affine, signal, neurons), neurons);
  return neurons;
}

/** The neuron with the values of its own parameters, read from the device. */
async function noteOf(layer: Spiking): Promise<NeuronNote> {
  const { own, given, learnt, options } = layer;
  const names = Object.keys(given).filter((name) => Object.hasOwn(own.params, name));
  const values = await Promise.all(names.map(async (name) => [name, (await given[name].device.read(given[name])) as Float32Array] as const));
  return { neuron: own, learn: learnt.filter((name) => names.includes(name)), perChannel: (options.perChannel as string[]).filter((name) => names.includes(name)), values: Object.fromEntries(values) };
}

function formOfLayer(layer: Spiking, { neuron, values }: NeuronNote, size: number, dt: number): LayerForm {
  try {
    return layerForm(neuron, values, size, dt);
  } catch (error) {
    throw error instanceof NoForm ? new OptionError(`exportNir: ${layer.name}: NIR has no node for the neuron ${neuron.name}: ${error.message}`) : error;
  }
}

function unsaidBy({ state }: Neuron, { rule, unsaid }: LayerForm): string[] {
  const { reset = "hard", resetDelay = false, strict = true } = rule ?? {};
  return [
    ...(reset === "hard" ? [] : [reset === "soft" ? "a spike takes the threshold from v" : "a spike resets nothing"]),
    ...(resetDelay ? ["the reset comes in the step after the spike"] : []),
    ...(strict ? [] : ["it fires where v equals the threshold, too"]),
    ...Object.entries(state).filter(([name, value]) => value !== 0 && !unsaid.includes(name)).map(([name, value]) => `${name} begins at ${value}`),
    ...(unsaid.length > 0 ? [`it has the states ${unsaid.join(", ")}`] : []),
  ];
}
