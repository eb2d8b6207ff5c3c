import type { DenseMath, Tensor } from "../../device.ts";
import { affineShape, requireElements, requireShape, rowsOf } from "../../dense/shapes.ts";
import { blocksOf, columnKernel, sumRows, TREE } from "./reduction.ts";
import { elementKernel, type Launcher } from "./work.ts";

type ChannelMath = Pick<DenseMath, "channelMoments" | "channelSums" | "channelDots" | "channelAffine">;

const affineKernel = elementKernel({
  label: "affine", params: "channels: u32", inputs: ["x", "a", "b"], outputs: ["z"], body: "  z[i] = a[i % p.channels] * x[i] + b[i % p.channels];",
});
const affinePairKernel = elementKernel({
  label: "affine of two", params: "channels: u32", inputs: ["x", "a", "b", "y", "d"], outputs: ["z"],
  body: "  let c = i % p.channels;\n  z[i] = a[c] * x[i] + d[c] * y[i] + b[c];",
});

/** Of each block of rows: a value of it, and the sums of the others' differences from that value and of their squares. */
const momentKernel = elementKernel({
  label: "moments of blocks", params: "values: u32", inputs: ["x"], outputs: ["shifts", "deviations", "squares"],
  body: `  let shift = x[i];
  var deviation = 0.0;
  var square = 0.0;
  for (var j = i; j < p.values; j += p.size) {
    let difference = x[j] - shift;
    deviation += difference;
    square += difference * difference;
  }
  shifts[i] = shift;
  deviations[i] = deviation;
  squares[i] = square;`,
});

/**
 * Means and variances of blocks, merged (Chan, Golub and LeVeque 1983). All means are taken relative to a value of the channel:
 * nothing cancels where channels lie far from zero.
 */
const mergeMomentsKernel = columnKernel("merge moments", "blocks: u32, rows: u32", ["shifts", "deviations", "squares"], ["mean", "variance"], `  let origin = shifts[column];
  var own = 0.0;
  for (var block = thread; block < p.blocks; block += ${TREE}) {
    let at = block * p.columns + column;
    own += f32(rowsOf(block)) * (shifts[at] - origin) + deviations[at];
  }
  let center = total(own, thread) / f32(p.rows);
  own = 0.0;
  for (var block = thread; block < p.blocks; block += ${TREE}) {
    let at = block * p.columns + column;
    let count = f32(rowsOf(block));
    let average = deviations[at] / count;
    let away = shifts[at] - origin + average - center;
    own += squares[at] - deviations[at] * average + count * away * away;
  }
  let spread = total(own, thread) / f32(p.rows);
  if (thread == 0) {
    mean[column] = origin + center;
    variance[column] = max(spread, 0.0);
  }`, "fn rowsOf(block: u32) -> u32 { return (p.rows - block + p.blocks - 1) / p.blocks; }");

/** Sums over all axes but the last, and their inverse: scale and shift of each channel. */
export function channelMath(launcher: Launcher): ChannelMath {
  return {
    channelMoments: (x) => channelMoments(launcher, x),
    channelSums: (x) => overRows(launcher, "channelSums", x, undefined),
    channelDots(x, y) {
      requireElements("channelDots", "x", x);
      requireShape("channelDots", "y", y, x.shape);
      return overRows(launcher, "channelDots", x, y);
    },
    channelAffine: (x, a, b, y, d) => channelAffine(launcher, x, a, b, y, d),
  };
}

function overRows(launcher: Launcher, operation: string, x: Tensor, y: Tensor | undefined): Tensor {
  const { channels, rows } = rowsOf(operation, x);
  return launcher.run(operation, (work) => {
    const [left, right] = [work.bind(x), y && work.bind(y)];
    const sums = work.output([channels]);
    sumRows(work, left, right, work.bind(sums), rows, channels);
    return sums;
  });
}

function channelMoments(launcher: Launcher, x: Tensor): { mean: Tensor; variance: Tensor } {
  const { channels, rows } = rowsOf("channelMoments", x);
  return launcher.run("channelMoments", (work) => {
    const input = work.bind(x);
    const [mean, variance] = [work.output([channels]), work.output([channels])];
    const blocks = blocksOf(rows, channels);
    const partials = [0, 1, 2].map(() => work.bind(work.scratch([blocks, channels])));
    work.perElement(momentKernel, blocks * channels, [x.size], [input, ...partials]);
    work.perGroup(mergeMomentsKernel, channels, [blocks, rows], [...partials, work.bind(mean), work.bind(variance)]);
    return { mean, variance };
  });
}

function channelAffine(launcher: Launcher, x: Tensor, a: Tensor, b: Tensor, y: Tensor | undefined, d: Tensor | undefined): Tensor {
  const { channels } = affineShape("channelAffine", x, a, b, y, d);
  return launcher.run("channelAffine", (work) => {
    const inputs = [x, a, b, ...(y && d ? [y, d] : [])].map((tensor) => work.bind(tensor));
    const z = work.output(x.shape);
    work.perElement(y ? affinePairKernel : affineKernel, x.size, [channels], [...inputs, work.bind(z)]);
    return z;
  });
}
