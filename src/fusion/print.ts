import { checkArgument } from "../check.ts";
import type { Block, Value } from "./block.ts";
import { planKind, type BufferSpec, type Plan } from "./plan.ts";

/**
 * The plan as text: what is read and written, how the trajectory is recomputed, and the code of each part.
 * @throws OptionError for what is no plan
 */
export function describePlan(plan: Plan): string {
  checkArgument("describePlan", "plan", plan, planKind);
  const { neuron, steps, checkpointEvery, chunk, forward, backward } = plan;
  const strategy = backward === null ? "no backward kernel"
    : plan.recomputed.length === 0 ? "backward: no states to recompute"
    : checkpointEvery === null ? `backward recomputes all ${steps} steps at once (room for ${chunk})`
    : `backward recomputes ${checkpointEvery} steps at a time from states saved every ${checkpointEvery} steps`;
  const lines = [
    `${neuron.name}, T = ${steps}`,
    `  ${strategy}`,
    `  tiles of ${plan.tile.forward} neurons forward${backward ? `, ${plan.tile.backward} backward` : ""} (targets without a thread per neuron)`,
    ...(plan.mix ? [`  ${plan.mix.input} of each neuron = the ${plan.mix.state} of all C neurons of its sample · mix.weights, at each step`] : []),
    "",
    `forward: ${traffic(forward.buffers, plan)}`,
    ...indent([...buffers(forward.buffers), ...block("once, before the steps", forward.prologue), ...block("each step", forward.step)]),
    ...(backward === null ? [] : ["", `backward: ${traffic(backward.buffers, plan)}`, ...indent([
      ...buffers(backward.buffers),
      ...block("once, before the steps", backward.prologue),
      ...block("each step again, for the states", backward.advance),
      ...block("each step, last to first", backward.reverse),
      ...block("once, after the steps", backward.epilogue),
    ])]),
  ];
  return `${lines.join("\n")}\n`;
}

const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

const bits: Record<BufferSpec["format"], number> = { f32: 32, f16: 16, bf16: 16, u8: 8, bits: 1 };

/** Bytes per neuron-step that a kernel must move; what has no time axis or belongs to a channel counts for nothing here. */
function traffic(specs: readonly BufferSpec[], { checkpointEvery }: Plan): string {
  const bytes = specs.reduce((sum, { time, extent, format }) =>
    sum + (extent !== "neuron" ? 0 : time === "varying" ? bits[format] / 8 : time === "checkpoint" ? 4 / checkpointEvery! : 0), 0);
  return `${Number(bytes.toFixed(3))} bytes per neuron-step`;
}

const buffers = (specs: readonly BufferSpec[]): string[] => specs.map(({ name, direction, time, extent, format, reduce }) => {
  const shape = { varying: "[T, ", constant: "[", checkpoint: "[⌈T/K⌉−1, " }[time] + { neuron: "N]", channel: "C]", layer: "1]", matrix: "C, C]" }[extent];
  return `${direction === "in" ? "reads " : "writes"} ${name.padEnd(14)} ${shape} ${format}${reduce ? ", summed over neurons in a second pass" : ""}`;
});

function block(title: string, { values, results }: Block): string[] {
  if (Object.keys(results).length === 0) return [];
  const names = new Map<number, string[]>();
  for (const [name, n] of Object.entries(results)) names.set(n, [...(names.get(n) ?? []), name]);
  const inline = (n: number): string => (values[n].kind === "constant" ? String(values[n].value) : `%${n}`);
  const text = (value: Value): string =>
    value.kind === "constant" ? String(value.value) : value.kind === "leaf" ? `${value.role} ${value.name}` : `${value.op}(${value.args.map(inline).join(", ")})`;
  const code = values.flatMap((value, n) => {
    const result = names.get(n)?.join(", ");
    if (value.kind === "constant" && !result) return [];
    return [`%${n} = ${text(value)}${result ? `  → ${result}` : ""}`];
  });
  return [`${title}:`, ...indent(code)];
}
