import { numpy as np } from "@jax-js/jax";
import { fusedJax, liftStep, toJax } from "../../src/jax/index.ts";
import { lif } from "../../src/neuron/index.ts";
import { neuron } from "./nn.ts";
import { argument, optional, options, row, type Row, text } from "./table.ts";

const x = argument(() => np.zeros([2, 3], { device: "wasm" }));
const values = optional(argument(() => ({}), "object", "bare object"));
const fused = await fusedJax(lif(), { device: "wasm" });
const lifted = liftStep(lif());

export const jax: Record<string, Row> = {
  liftStep: row(liftStep, { neuron }),
  "liftStep()": row(lifted, { state: argument(() => ({ v: 0 })), input: argument(() => ({ x: np.zeros([3]) })), params: values }),
  toJax: row(toJax, { neuron, options: options({ output: text }) }),
  "toJax()": row(toJax(lif()), { x, params: values, state: values }),
  fusedJax: row(fusedJax, { neuron, options: options({ device: argument(() => "wasm"), output: text }) }),
  "fusedJax()": row(fused, { x, params: values, state: values }),
  "fusedJax().run": row(fused.run, { x, options: options({ params: values, state: values, record: argument(() => ["v"], "list") }) }),
  "fusedJax().vjp": row((...given: [never, never, never]) => fused.vjp(...given)[1].dispose(), { x, params: values, state: values }),
  "fusedJax().vjp()": row((given: never) => fused.vjp(np.zeros([2, 3], { device: "wasm" }))[1](given), { gradient: x }),
};
