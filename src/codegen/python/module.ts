import type { Plan } from "../../fusion/plan.ts";
import { version } from "../../version.ts";
import { literal } from "./block.ts";
import { pythonName } from "./names.ts";

/** A Python dictionary of names and f32 values. */
export const record = (entries: readonly (readonly [string, number])[]): string => `{${entries.map(([name, value]) => `"${name}": ${literal(Math.fround(value))}`).join(", ")}}`;

export const rule = (title: string): string => `# ${title} ${"-".repeat(118 - title.length)}`;

/** A module's docstring. `uses`: lines of code that show what to call. */
export function introduction({ neuron }: Plan, library: string, needs: string, uses: readonly string[], remarks: string): string {
  const params = Object.entries(neuron.params).map(([name, value]) => `${pythonName(name)} = ${literal(Math.fround(value))}`);
  const states = Object.entries(neuron.state).map(([name, value]) => `${name} = ${literal(Math.fround(value))}`);
  return `"""${neuron.name}: a spiking neuron over all time steps at once, for ${library}.

Written by spikefold ${version} from the neuron's definition; change that and write it again, rather than this. MIT licence. Needs ${needs}.

${uses.map((line) => `    ${line}`).join("\n")}

States, before the first step: ${states.join(", ") || "none"}. Parameters: ${params.join(", ") || "none"}.
Gradients are those of the neuron's surrogate; the trajectory is recomputed for them instead of kept.

${remarks}
"""
`;
}
