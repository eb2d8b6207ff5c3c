import type { DenseMath } from "../../device.ts";
import { requireShape } from "../../dense/shapes.ts";
import { convolutionGeometry } from "../../dense/windows.ts";
import { biasGradient, matrix } from "./linear.ts";
import { type Factor, multiply, productKernels } from "./product.ts";
import { WINDOW_PARAMS, windowWords } from "./windows.ts";
import type { Launcher } from "./work.ts";

/** WGSL: where a window begins at output position i, after its image's first element; and the channel and place in the window of its element k. */
const POSITION = `{
  let i = i32(index);
  return vec3i(i / (p.outHeight * p.outWidth) * p.height * p.width * p.channels, i / p.outWidth % p.outHeight * p.strideY - p.padY, i % p.outWidth * p.strideX - p.padX);
}`;
const TAP = `{
  let tap = i32(index) / p.channels;
  return vec3i(i32(index) % p.channels, tap / p.windowWidth, tap % p.windowWidth);
}`;
const PIXEL = `fn pixel(position: vec3i, tap: vec3i) -> f32 {
  let y = position.y + tap.y;
  let x = position.z + tap.z;
  if (y < 0 || y >= p.height || x < 0 || x >= p.width) { return 0.0; }
  return left[position.x + (y * p.width + x) * p.channels + tap.x];
}`;

/** The images as a matrix [positions, kh · kw · C] of what the window sees, and its transpose. */
const patches: Factor = {
  along: "depth",
  functions: `${PIXEL}
fn leftOuter(index: u32) -> vec3i ${POSITION}
fn leftDepth(index: u32) -> vec3i ${TAP}
fn leftAt(outer: vec3i, depth: vec3i) -> f32 { return pixel(outer, depth); }`,
};
const patchesTransposed: Factor = {
  along: "outer",
  functions: `${PIXEL}
fn leftOuter(index: u32) -> vec3i ${TAP}
fn leftDepth(index: u32) -> vec3i ${POSITION}
fn leftAt(outer: vec3i, depth: vec3i) -> f32 { return pixel(depth, outer); }`,
};

/** dy as a matrix [pixels, kh · kw · O]: what of it each pixel went into. */
const slopes: Factor = {
  along: "depth",
  functions: `fn leftOuter(index: u32) -> vec3i {
  let i = i32(index);
  return vec3i(i / (p.height * p.width) * p.outHeight * p.outWidth * p.outChannels, i / p.width % p.height + p.padY, i % p.width + p.padX);
}
fn leftDepth(index: u32) -> vec3i {
  let tap = i32(index) / p.outChannels;
  return vec3i(i32(index) % p.outChannels, tap / p.windowWidth, tap % p.windowWidth);
}
fn leftAt(outer: vec3i, depth: vec3i) -> f32 {
  let down = outer.y - depth.y;
  let across = outer.z - depth.z;
  if (down < 0 || across < 0 || down % p.strideY != 0 || across % p.strideX != 0) { return 0.0; }
  let y = down / p.strideY;
  let x = across / p.strideX;
  if (y >= p.outHeight || x >= p.outWidth) { return 0.0; }
  return left[outer.x + (y * p.outWidth + x) * p.outChannels + depth.x];
}`,
};

/** The weights as a matrix [kh · kw · O, C]. */
const weightsTransposed: Factor = {
  along: "depth",
  functions: `fn rightOuter(index: u32) -> vec3i { return vec3i(i32(index) * p.outChannels); }
fn rightDepth(index: u32) -> vec3i {
  let k = i32(index);
  return vec3i(k / p.outChannels * p.channels * p.outChannels + k % p.outChannels);
}
fn rightAt(outer: vec3i, depth: vec3i) -> f32 { return right[outer.x + depth.x]; }`,
};

const PARAMS = `${WINDOW_PARAMS}, outChannels: i32, rightStride: u32`;
const forward = productKernels("convolution", PARAMS, patches, matrix("right", "outer"));
const inputGradient = productKernels("convolution's dx", PARAMS, slopes, weightsTransposed);
const weightGradient = productKernels("convolution's dw", PARAMS, patchesTransposed, matrix("right", "outer"));

/** Convolutions of channels-last images, as products with matrices that are never stored: their elements are found where they are needed. */
export function convolutionMath(launcher: Launcher): Pick<DenseMath, "conv2d" | "conv2dBackward"> {
  return {
    conv2d(x, w, bias, window) {
      const geometry = convolutionGeometry("conv2d", x, w, window);
      const { images, channels, outHeight, outWidth } = geometry;
      const outChannels = w.shape[3];
      if (bias) requireShape("conv2d", "bias", bias, [outChannels]);
      return launcher.run("conv2d", (work) => {
        const inputs = { left: work.bind(x), right: work.bind(w), bias: bias && work.bind(bias) };
        const y = work.output([images, outHeight, outWidth, outChannels]);
        multiply(work, forward, {
          ...inputs, rows: images * outHeight * outWidth, columns: outChannels, depth: window.size[0] * window.size[1] * channels,
          result: work.bind(y), words: [...windowWords(geometry), outChannels, outChannels],
        });
        return y;
      });
    },
    conv2dBackward(x, w, dy, window, need) {
      const geometry = convolutionGeometry("conv2dBackward", x, w, window);
      const { images, height, width, channels, outHeight, outWidth } = geometry;
      const outChannels = w.shape[3];
      requireShape("conv2dBackward", "dy", dy, [images, outHeight, outWidth, outChannels]);
      const taps = window.size[0] * window.size[1];
      const words = [...windowWords(geometry), outChannels, outChannels];
      return launcher.run("conv2dBackward", (work) => {
        const [input, weight, slope] = [x, w, dy].map((tensor) => work.bind(tensor));
        const dw = work.output(w.shape);
        multiply(work, weightGradient, { rows: taps * channels, columns: outChannels, depth: images * outHeight * outWidth, left: input, right: slope, result: work.bind(dw), words });
        const dx = need.input ? work.output(x.shape) : undefined;
        if (dx) multiply(work, inputGradient, { rows: images * height * width, columns: channels, depth: taps * outChannels, left: slope, right: weight, result: work.bind(dx), words });
        return { dx, dw, db: need.bias ? biasGradient(work, dy) : undefined };
      });
    },
  };
}
