import { checkArgument, text } from "../../check.ts";
import { OptionError } from "../../errors.ts";
import { inNode } from "../../runtime.ts";
import type { Tensor } from "../../device/device.ts";
import { type Model, modelKind } from "../../nn/model.ts";
import { writeFileAtomic } from "../../train/atomic.ts";
import { download } from "../../train/weights.ts";
import { version } from "../../version.ts";
import { walk } from "../walk.ts";
import { Graph } from "./graph.ts";
import { emitLayer, type StateInput, type Value } from "./layers.ts";

/** Read-outs, which are left to whoever runs the loop, and whether they read a state of the neurons instead of their spikes. */
const READOUTS: Readonly<Record<string, "spikes" | "state">> = { rate: "spikes", spikeCount: "spikes", everyStep: "spikes", lastMembrane: "state", meanMembrane: "state", maxMembrane: "state", membranes: "state" };

/**
 * Writes one time step of a trained model as an ONNX file (opset 17): `x` [batch, ...inputShape] and the states of all neurons go in, `y`, what the read-out reads, and their next states come out. The loop over
 * time, and the read-out, are the caller's. The file is replaced whole or not at all.
 *
 * @param path where to (in Node)
 * @throws OptionError for a wrong argument and a layer that is not written as ONNX; TrainingError if a weight is not finite
 */
export async function exportOnnx(model: Model, path: string): Promise<void> {
  checkArgument("exportOnnx", "model", model, modelKind);
  checkArgument("exportOnnx", "path", path, text);
  if (!inNode) throw new OptionError("exportOnnx writes a file, which a page cannot: take the bytes of encodeOnnx");
  await writeFileAtomic(path, await encodeOnnx(model));
}

/**
 * The bytes that `exportOnnx` writes. The metadata `spikefold.states` is a JSON list of the states, each { input, output, shape, initial }, shape without the batch, initial the value before the first step;
 * `spikefold.readout` says what becomes of `y` over time: "rate", "lastMembrane" and so on, or nothing.
 * @throws as `exportOnnx`
 */
export async function encodeOnnx(model: Model): Promise<Uint8Array> {
  checkArgument("encodeOnnx", "model", model, modelKind);
  const tensors = new Map<Tensor, Float32Array>();
  for (const { name, value } of [...model.parameters(), ...model.buffers()]) tensors.set(value, (await download({ [name]: value }))[name].data as Float32Array);
  const bytes = [...tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (bytes > 0x7f000000) throw new OptionError(`encodeOnnx: the weights have ${bytes} bytes, an ONNX file holds 2 GB`);

  const graph = new Graph();
  const states: StateInput[] = [];
  let readout: string | undefined;
  const result = walk<Value>(model.body, { name: graph.input("x", model.inputShape), shape: model.inputShape }, {
    layer(layer, x) {
      if (readout !== undefined) throw new OptionError(`${layer.name} comes after the read-out ${readout}: what is computed once for all steps is not written as ONNX`);
      const reads = READOUTS[layer.kind];
      if (!reads) return emitLayer({ graph, values: (tensor) => tensors.get(tensor)!, states }, layer, x);
      readout = layer.kind;
      return reads === "spikes" ? x : { ...x, name: x.states!.get(layer.readsState()!)! };
    },
    add: (a, b) => ({ name: graph.node("Add", [a.name, b.name]), shape: a.shape }),
  });
  graph.node("Identity", [result.name], {}, "y");
  graph.output("y", result.shape);
  for (const { output, shape } of states) graph.output(output, shape);
  return graph.encode("step", version, { "spikefold.states": JSON.stringify(states), "spikefold.readout": readout ?? "" });
}
