import { normBackwardShape, normShape } from "../../dense/shapes.ts";
import type { DenseMath } from "../../device.ts";
import { columnKernel, TREE } from "./reduction.ts";
import { bitsOf, type Launcher } from "./work.ts";

/** A workgroup serves a run of channels of one sample: its values are `width` of each `channels`, `count` in all. */
const RUN = "size: u32, channels: u32, groups: u32";
const PLACE = `  let width = p.channels / p.groups;
  let count = p.size * width;
  let first = column / p.groups * p.size * p.channels + column % p.groups * width;`;
const PLACE_OF = "fn placeOf(first: u32, j: u32, width: u32) -> u32 { return first + j / width * p.channels + j % width; }";
const overRun = (body: string): string => `  for (var j = thread; j < count; j += ${TREE}) {
    let at = placeOf(first, j, width);
${body}
  }`;

const normKernel = columnKernel("group norm", `${RUN}, eps: f32`, ["x"], ["y", "scale"], `${PLACE}
  var own = 0.0;
${overRun("    own += x[at];")}
  let mean = total(own, thread) / f32(count);
  own = 0.0;
${overRun("    own += (x[at] - mean) * (x[at] - mean);")}
  let slope = 1.0 / sqrt(total(own, thread) / f32(count) + p.eps);
${overRun("    y[at] = (x[at] - mean) * slope;")}
  if (thread == 0) { scale[column] = slope; }`, PLACE_OF);

const backwardKernel = columnKernel("group norm's dx", RUN, ["y", "scale", "dy"], ["dx"], `${PLACE}
  var own = 0.0;
${overRun("    own += dy[at];")}
  let mean = total(own, thread) / f32(count);
  own = 0.0;
${overRun("    own += dy[at] * y[at];")}
  let along = total(own, thread) / f32(count);
  let slope = scale[column];
${overRun("    dx[at] = slope * (dy[at] - mean - y[at] * along);")}`, PLACE_OF);

/** Normalisation within a sample, of runs of its channels. */
export function normMath(launcher: Launcher): Pick<DenseMath, "groupNorm" | "groupNormBackward"> {
  return {
    groupNorm(x, groups, eps) {
      const { size, channels, runs } = normShape("groupNorm", x, groups, eps);
      return launcher.run("groupNorm", (work) => {
        const input = work.bind(x);
        const [y, scale] = [work.output(x.shape), work.output([x.shape[0], groups])];
        work.perGroup(normKernel, runs, [size, channels, groups, bitsOf(eps)], [input, work.bind(y), work.bind(scale)]);
        return { y, scale };
      });
    },
    groupNormBackward(y, scale, dy) {
      const { size, channels, groups, runs } = normBackwardShape("groupNormBackward", y, scale, dy);
      return launcher.run("groupNormBackward", (work) => {
        const inputs = [y, scale, dy].map((tensor) => work.bind(tensor));
        const dx = work.output(dy.shape);
        work.perGroup(backwardKernel, runs, [size, channels, groups], [...inputs, work.bind(dx)]);
        return dx;
      });
    },
  };
}
