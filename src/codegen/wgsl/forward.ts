import type { Plan } from "../../fusion/plan.ts";
import { indent, type Kernel } from "./kernel.ts";

/** All steps: each input is read once, each output written once. */
export function forwardBody(kernel: Kernel, plan: Plan): string[] {
  const { forward, states, checkpointEvery, mix } = plan;
  const outputs = kernel.varying("out").map(({ name, format }) => ({ name, format, value: `now.${kernel.of(name.replace(/^trace\./, ""))}` }));
  const packed = outputs.filter(({ format }) => format === "bits");
  const checkpoints = forward.buffers.filter(({ time }) => time === "checkpoint");
  const word = (name: string): string => kernel.names.of(name, "word");
  const state = (name: string): string => kernel.names.of(name);
  const step = Object.keys(forward.step.results).length === 0 ? null : kernel.step("advance", "Step", "One step: the next states and the outputs.", forward.step);
  const zero = `${kernel.U}(0u)`;

  const loop = step === null ? [] : [
    "var at = thread;",
    "for (var t = 0u; t < launch.steps; t++) {",
    ...indent([
      ...(checkpoints.length === 0 ? [] : [
        `if (t > 0u && t % ${checkpointEvery}u == 0u) {`,
        ...indent([`let saved = (t / ${checkpointEvery}u - 1u) * threads + thread;`, ...checkpoints.flatMap(({ name }) => kernel.store(name, "saved", state(name.slice("checkpoint.".length))))]),
        "}",
      ]),
      ...(mix ? [`let product = recurrentProduct(n, ${state(mix.state)}, t % 2u);`] : []),
      `let now = ${step((role, name) => (role === "state" ? state(name) : role === "invariant" ? name : name === mix?.input ? "product" : kernel.load(name, "at")))};`,
      ...outputs.filter(({ format }) => format !== "bits").flatMap(({ name, value }) => kernel.store(name, "at", value)),
      ...packed.map(({ name, value }) => `${word(name)} |= select(${zero}, ${kernel.U}(1u << (t & 31u)), ${value} != ${kernel.V}(0.0));`),
      ...(packed.length === 0 ? [] : [
        "if ((t & 31u) == 31u || t + 1u == launch.steps) {",
        ...indent(packed.flatMap(({ name }) => [...kernel.store(name, "(t >> 5u) * threads + thread", word(name)), `${word(name)} = ${zero};`])),
        "}",
      ]),
      ...states.map((name) => `${state(name)} = now.${state(name)};`),
      "at += threads;",
    ]),
    "}",
  ];
  return [
    ...states.map((name) => `var ${state(name)} = ${initialState(kernel, plan, name)};`),
    ...packed.map(({ name }) => `var ${word(name)} = ${zero};`),
    ...loop,
    ...forward.buffers.filter(({ name }) => name.startsWith("final.")).flatMap(({ name }) => kernel.store(name, "thread", state(name.slice("final.".length)))),
  ];
}

/** A state before the first step: given, or from the definition. */
export const initialState = (kernel: Kernel, plan: Plan, name: string): string =>
  plan.initialState ? kernel.load(`state.${name}`, "thread") : kernel.splat(Math.fround(plan.neuron.state[name]));
