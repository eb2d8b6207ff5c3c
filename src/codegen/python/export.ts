import { checkArgument, checkOptions, oneOf, required } from "../../check.ts";
import { type Neuron, neuronKind } from "../../neuron/define.ts";
import { type Plan, plan } from "../../fusion/plan.ts";
import { jaxModule } from "./jax.ts";
import { torchModule } from "./torch.ts";

/** The libraries of Python for which a neuron can be written. */
export type PythonTarget = "jax" | "pytorch";

const modules: Readonly<Record<PythonTarget, (plan: Plan) => string>> = { jax: jaxModule, pytorch: torchModule };

export interface ExportPythonOptions {
  /** The library that runs it. */
  to: PythonTarget;
}

/**
 * The source text of a Python module that has the neuron as a differentiable function of all T steps, for JAX or PyTorch: self-contained, and made from the same
 * plan as every kernel. `docs/python.md` says what is in it.
 * @throws OptionError for what is no neuron, or another target
 */
export function exportPython(neuron: Neuron, options: ExportPythonOptions): string {
  checkArgument("exportPython", "neuron", neuron, neuronKind);
  checkOptions<ExportPythonOptions>("exportPython", options, { to: required(oneOf(...Object.keys(modules))) });
  return modules[options.to](generalPlan(neuron));
}

/** The plan with everything that a caller in Python may ask for: states first and last, and all gradients. Python's kernels have their own pieces of time, see `pieceOf`. */
export function generalPlan(neuron: Neuron): Plan {
  const states = Object.keys(neuron.state);
  const params = Object.keys(neuron.params);
  return plan({
    neuron, steps: 1, params: Object.fromEntries(params.map((name) => [name, "channel"])), initialState: true, finalState: true,
    gradients: [...neuron.inputs, ...params, ...states.map((name) => `state.${name}`)],
    seeds: { ...Object.fromEntries(neuron.outputs.map((name) => [name, "varying"])), ...Object.fromEntries(states.map((name) => [`final.${name}`, "constant"])) },
  });
}
