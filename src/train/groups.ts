import { checkArgument, checkOptions, kind, listOf, notNegative, type OptionKinds, required, suggestion, text } from "../check.ts";
import { OptionError } from "../errors.ts";
import type { Parameter } from "../nn/layer.ts";

/** Parameters with a learning rate of their own. */
export interface ParameterGroup {
  /** Names of `model.parameters()`; one that ends with a dot stands for all that begin with it: "2." is all of layer 2. */
  parameters: readonly string[];
  /** The learning rate, as a factor of the optimiser's; 0: they stay as they are. */
  rate: number;
}

const kinds: OptionKinds<ParameterGroup> = { parameters: required(listOf(text)), rate: required(notNegative) };

export const groupsKind = kind('a list of groups { parameters: ["2."], rate: 0.1 }', Array.isArray);

const fits = (pattern: string, name: string): boolean => name === pattern || (pattern.endsWith(".") && name.startsWith(pattern));

/**
 * The factor of each parameter's learning rate, by name: that of the first group that has it, or 1.
 * @throws OptionError for a group that is none, or names a parameter that there is not.
 */
export function ratesOf(groups: readonly ParameterGroup[], parameters: readonly Parameter[]): ReadonlyMap<string, number> {
  checkArgument("groups", "groups", groups, groupsKind);
  const names = parameters.map(({ name }) => name);
  groups.forEach((group, i) => {
    checkOptions(`groups[${i}]`, group, kinds);
    for (const pattern of group.parameters) {
      if (!names.some((name) => fits(pattern, name))) throw new OptionError(`groups[${i}]: the model has no parameter ${JSON.stringify(pattern)}${suggestion(pattern, names)}; it has ${names.join(", ")}`);
    }
  });
  return new Map(names.map((name) => [name, groups.find((group) => group.parameters.some((pattern) => fits(pattern, name)))?.rate ?? 1]));
}
