import { checkArgument, finite, kind } from "../../check.ts";
import { OptionError } from "../../errors.ts";
import { defineLoss, type Loss, lossKind, type LossValue, partsOf } from "../loss.ts";

type Term = readonly [weight: number, loss: Loss];

const termsKind = kind("a list of pairs [weight, loss], of at least one", (x) =>
  Array.isArray(x) && x.length > 0 && x.every((term) => Array.isArray(term) && term.length === 2 && finite.accepts(term[0]) && lossKind.accepts(term[1])));

/**
 * Σ weight · loss. All are of one kind of output, for each sample or for each step; accuracy is told by the first. It can be recorded if all of them can.
 * @throws OptionError for no terms, weights that are no numbers, losses of different kinds of output.
 */
export function sumOfLosses(terms: readonly (readonly [weight: number, loss: Loss])[]): Loss {
  checkArgument("sumOfLosses", "terms", terms, termsKind);
  const losses = terms.map(([, loss]) => loss);
  const [{ over = "samples" }] = losses;
  const other = losses.find((loss) => (loss.over ?? "samples") !== over);
  if (other) throw new OptionError(`sumOfLosses: ${losses[0].name} judges ${over}, ${other.name} judges ${other.over ?? "samples"}: a model has one output, for each sample or for each step`);
  const name = "sumOfLosses";
  const options = Object.fromEntries(terms.flatMap(([weight, loss], i) => [[`${i}`, `${weight} ${loss.name}`], ...Object.entries(loss.options).map(([option, value]) => [`${i}.${option}`, value])]));
  const parts = losses.flatMap((loss) => partsOf(loss) ?? []);
  if (parts.length < losses.length) return { name, options, over, evaluate: (...given) => total(terms, losses.map((loss) => loss.evaluate(...given))) };

  let counts: readonly number[] | undefined;
  return defineLoss({
    name, options, over,
    targets(...given) {
      const targets = parts.map((part) => part.targets(...given));
      const found = targets.map(({ length }) => length);
      if (counts && found.some((count, i) => count !== counts![i])) throw new OptionError("sumOfLosses: a loss has another number of targets than for the batch before: defineLoss takes as many for all batches");
      counts = found;
      return targets.flat();
    },
    evaluate(output, targets, steps) {
      let at = 0;
      return total(terms, parts.map((part, i) => part.evaluate(output, targets.slice(at, (at += counts![i])), steps)));
    },
  });
}

/** The weighted sum, in the tensors of the first value; those of the others are freed. */
function total(terms: readonly Term[], values: readonly LossValue[]): LossValue {
  const [sum] = values;
  const { dense } = sum.loss.device;
  values.forEach(({ loss, gradient, correct }, i) => {
    const [weight] = terms[i];
    if (i === 0) return [loss, gradient].forEach((tensor) => weight !== 1 && dense.scale(tensor, weight));
    dense.addInto(sum.loss, loss, weight);
    dense.addInto(sum.gradient, gradient, weight);
    for (const tensor of [loss, gradient, correct]) tensor.dispose();
  });
  return sum;
}
