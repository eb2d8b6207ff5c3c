import type { DenseMath, Tensor } from "../../device.ts";
import { mathLibrary } from "../../../codegen/wgsl/math.ts";
import { crossEntropyShape, squaredErrorShape } from "../../dense/shapes.ts";
import { doubleFloat, doubleFloatExponential } from "./doubleFloat.ts";
import { sumRows } from "./reduction.ts";
import { bitsOf, elementKernel, type Kernel, type Launcher } from "./work.ts";

/**
 * One thread per row. Differences are bounded, as f32 has none between its largest and its smallest value; e^-200 is zero.
 * Weighted, gradient, loss and hit are times the row's weight; where that is 0, nothing of the row counts.
 */
const crossEntropy = (weighted: boolean): Kernel => elementKernel({
  label: `${weighted ? "weighted " : ""}softmax cross-entropy`,
  params: "classes: u32, mean: f32",
  inputs: ["logits", "labels: i32", ...(weighted ? ["weights"] : [])],
  outputs: ["gradient", "losses", "hits"],
  functions: `${[...mathLibrary(["logf"], "f32"), doubleFloat, doubleFloatExponential].join("\n")}
fn below(value: f32, largest: f32) -> f32 { return max(value - largest, -200.0); }`,
  body: `  let first = i * p.classes;
${weighted ? `  let weight = weights[i];
  if (weight == 0.0) {
    for (var k = 0u; k < p.classes; k++) { gradient[first + k] = 0.0; }
    losses[i] = 0.0;
    hits[i] = 0.0;
    return;
  }
` : ""}  var best = 0u;
  for (var k = 1u; k < p.classes; k++) {
    if (logits[first + k] > logits[first + best]) { best = k; }
  }
  let largest = logits[first + best];
  let label = u32(labels[i]);
  var own = vec2f();
  var others = vec2f();
  for (var k = 0u; k < p.classes; k++) {
    let e = exponential(below(logits[first + k], largest));
    if (k == label) { own = vec2f(e, 0.0); } else { others = sum2(others, vec2f(e, 0.0)); }
    gradient[first + k] = e;
  }
  let sum = sum2(own, others);
  let factor = quotient2(vec2f(${weighted ? "weight" : "p.mean"}, 0.0), sum);
  // The label's is p - 1 = -(sum of the others' p): the difference itself would keep few digits of a label that is all but certain.
  for (var k = 0u; k < p.classes; k++) {
    var share = vec2f(gradient[first + k], 0.0);
    if (k == label) { share = vec2f() - others; }
    gradient[first + k] = product2(share, factor).x;
  }
  losses[i] = ${weighted ? "weight * " : ""}(logf(sum.x) - (logits[first + min(label, p.classes - 1)] - largest));
  // A label that is no class: not a number.
  if (label >= p.classes) { losses[i] = bitcast<f32>(0x7fc00000u | min(label, 1u)); }
  hits[i] = select(0.0, ${weighted ? "weight" : "1.0"}, best == label);`,
});

const crossEntropyKernel = crossEntropy(false);
const weightedCrossEntropyKernel = crossEntropy(true);

const squaredErrorKernel = elementKernel({
  label: "squared error", params: "weight: f32", inputs: ["x", "goal"], outputs: ["gradient"], body: "  gradient[i] = p.weight * (x[i] - goal[i]);",
});

/** The squared error is divided by the columns in the sum over all of it. */
const weightedSquaredErrorKernel = elementKernel({
  label: "weighted squared error", params: "columns: u32, factor: f32", inputs: ["x", "goal", "weights"], outputs: ["gradient", "squares"],
  body: `  let weight = weights[i / p.columns];
  let error = select(x[i] - goal[i], 0.0, weight == 0.0);
  gradient[i] = p.factor * weight * error;
  squares[i] = weight * error * error;`,
});

/** Labels lie on the GPU: one that is no class is not refused, it makes the loss not a number. */
export function lossMath(launcher: Launcher): Pick<DenseMath, "softmaxCrossEntropy" | "meanSquaredError"> {
  return {
    softmaxCrossEntropy: (logits, labels, weights) => softmaxCrossEntropy(launcher, logits, labels, weights),
    meanSquaredError: (x, target, weights) => (weights === undefined ? meanSquaredError(launcher, x, target) : weightedSquaredError(launcher, x, target, weights)),
  };
}

function softmaxCrossEntropy(launcher: Launcher, logits: Tensor, labels: Tensor, weights: Tensor | undefined): { loss: Tensor; gradient: Tensor; correct: Tensor } {
  const { rows, classes } = crossEntropyShape(logits, labels, weights);
  return launcher.run("softmaxCrossEntropy", (work) => {
    const inputs = [work.bind(logits), work.bind(labels, "i32"), ...(weights ? [work.bind(weights)] : [])];
    const [gradient, loss, correct] = [work.output(logits.shape), work.output([1]), work.output([1])];
    const [losses, hits] = [work.bind(work.scratch([rows])), work.bind(work.scratch([rows]))];
    const mean = weights ? 1 : 1 / rows;
    work.perElement(weights ? weightedCrossEntropyKernel : crossEntropyKernel, rows, [classes, bitsOf(mean)], [...inputs, work.bind(gradient), losses, hits]);
    sumRows(work, losses, undefined, work.bind(loss), rows, 1, mean);
    sumRows(work, hits, undefined, work.bind(correct), rows, 1);
    return { loss, gradient, correct };
  });
}

/** With the gradient g = 2 (x - target) / n, the loss is n / 4 · Σ g². */
function meanSquaredError(launcher: Launcher, x: Tensor, target: Tensor): { loss: Tensor; gradient: Tensor } {
  squaredErrorShape(x, target);
  return launcher.run("meanSquaredError", (work) => {
    const inputs = [work.bind(x), work.bind(target)];
    const [gradient, loss] = [work.output(x.shape), work.output([1])];
    const slope = work.bind(gradient);
    work.perElement(squaredErrorKernel, x.size, [bitsOf(2 / x.size)], [...inputs, slope]);
    sumRows(work, slope, slope, work.bind(loss), x.size, 1, x.size / 4);
    return { loss, gradient };
  });
}

function weightedSquaredError(launcher: Launcher, x: Tensor, target: Tensor, weights: Tensor): { loss: Tensor; gradient: Tensor } {
  const { columns } = squaredErrorShape(x, target, weights);
  return launcher.run("meanSquaredError", (work) => {
    const inputs = [work.bind(x), work.bind(target), work.bind(weights)];
    const [gradient, loss] = [work.output(x.shape), work.output([1])];
    const squares = work.bind(work.scratch(x.shape));
    work.perElement(weightedSquaredErrorKernel, x.size, [columns, bitsOf(2 / columns)], [...inputs, work.bind(gradient), squares]);
    sumRows(work, squares, undefined, work.bind(loss), x.size, 1, 1 / columns);
    return { loss, gradient };
  });
}
