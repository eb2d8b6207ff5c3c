import type { DenseMath, Tensor } from "../../device.ts";
import { mathLibrary } from "../../../codegen/wgsl/math.ts";
import { requireAxes, requireShape } from "../../dense/shapes.ts";
import { doubleFloat, doubleFloatExponential } from "./doubleFloat.ts";
import { sumRows } from "./reduction.ts";
import { bitsOf, elementKernel, type Launcher } from "./work.ts";

/** One thread per row. Differences are bounded, as f32 has none between its largest and its smallest value; e^-200 is zero. */
const crossEntropyKernel = elementKernel({
  label: "softmax cross-entropy",
  params: "classes: u32, weight: f32",
  inputs: ["logits", "labels: i32"],
  outputs: ["gradient", "losses", "hits"],
  functions: `${[...mathLibrary(["logf"], "f32"), doubleFloat, doubleFloatExponential].join("\n")}
fn below(value: f32, largest: f32) -> f32 { return max(value - largest, -200.0); }`,
  body: `  let first = i * p.classes;
  var best = 0u;
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
  let factor = quotient2(vec2f(p.weight, 0.0), sum);
  // The label's is p - 1 = -(sum of the others' p): the difference itself would keep few digits of a label that is all but certain.
  for (var k = 0u; k < p.classes; k++) {
    var share = vec2f(gradient[first + k], 0.0);
    if (k == label) { share = vec2f() - others; }
    gradient[first + k] = product2(share, factor).x;
  }
  losses[i] = logf(sum.x) - (logits[first + min(label, p.classes - 1)] - largest);
  // A label that is no class: not a number.
  if (label >= p.classes) { losses[i] = bitcast<f32>(0x7fc00000u | min(label, 1u)); }
  hits[i] = select(0.0, 1.0, best == label);`,
});

const squaredErrorKernel = elementKernel({
  label: "squared error", params: "weight: f32", inputs: ["x", "goal"], outputs: ["gradient"], body: "  gradient[i] = p.weight * (x[i] - goal[i]);",
});

/** Labels lie on the GPU: one that is no class is not refused, it makes the loss not a number. */
export function lossMath(launcher: Launcher): Pick<DenseMath, "softmaxCrossEntropy" | "meanSquaredError"> {
  return {
    softmaxCrossEntropy: (logits, labels) => softmaxCrossEntropy(launcher, logits, labels),
    meanSquaredError: (x, target) => meanSquaredError(launcher, x, target),
  };
}

function softmaxCrossEntropy(launcher: Launcher, logits: Tensor, labels: Tensor): { loss: Tensor; gradient: Tensor; correct: Tensor } {
  requireAxes("softmaxCrossEntropy", "logits", logits, 2);
  const [rows, classes] = logits.shape;
  requireShape("softmaxCrossEntropy", "labels", labels, [rows]);
  return launcher.run("softmaxCrossEntropy", (work) => {
    const inputs = [work.bind(logits), work.bind(labels, "i32")];
    const [gradient, loss, correct] = [work.output(logits.shape), work.output([1]), work.output([1])];
    const [losses, hits] = [work.bind(work.scratch([rows])), work.bind(work.scratch([rows]))];
    work.perElement(crossEntropyKernel, rows, [classes, bitsOf(1 / rows)], [...inputs, work.bind(gradient), losses, hits]);
    sumRows(work, losses, undefined, work.bind(loss), rows, 1, 1 / rows);
    sumRows(work, hits, undefined, work.bind(correct), rows, 1);
    return { loss, gradient, correct };
  });
}

/** With the gradient g = 2 (x - target) / n, the loss is n / 4 · Σ g². */
function meanSquaredError(launcher: Launcher, x: Tensor, target: Tensor): { loss: Tensor; gradient: Tensor } {
  requireAxes("meanSquaredError", "x", x, 2);
  requireShape("meanSquaredError", "target", target, x.shape);
  return launcher.run("meanSquaredError", (work) => {
    const inputs = [work.bind(x), work.bind(target)];
    const [gradient, loss] = [work.output(x.shape), work.output([1])];
    const slope = work.bind(gradient);
    work.perElement(squaredErrorKernel, x.size, [bitsOf(2 / x.size)], [...inputs, slope]);
    sumRows(work, slope, slope, work.bind(loss), x.size, 1, x.size / 4);
    return { loss, gradient };
  });
}
