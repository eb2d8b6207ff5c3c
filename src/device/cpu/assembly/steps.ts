import { sumDots } from "./norms";

/** out = x · factors[t] for blocks of x [steps, length]. Items are blocks: (t, block). */
export function scaleSteps(scratch: usize, begin: i32, end: i32, x: usize, factors: usize, out: usize, length: i32, blockLength: i32, blocks: i32): void {
  for (let item = begin; item < end; item++) {
    const step = item / blocks;
    const first = item % blocks * blockLength;
    const factor = load<f32>(factors + (<usize>step << 2));
    const offset = (<usize>step * <usize>length + <usize>first) << 2;
    const stop = offset + (<usize>min(blockLength, length - first) << 2);
    let at = offset;
    for (; at + 16 <= stop; at += 16) v128.store(out + at, f32x4.mul(v128.load(x + at), f32x4.splat(factor)));
    for (; at < stop; at += 4) store<f32>(out + at, load<f32>(x + at) * factor);
  }
}

/** partials [blocks, steps] = Σ x · y over blocks of x, y [steps, length]. Items are blocks: (t, block). */
export function dotSteps(scratch: usize, begin: i32, end: i32, x: usize, y: usize, partials: usize, steps: i32, length: i32, blockLength: i32, blocks: i32): void {
  for (let item = begin; item < end; item++) {
    const step = item / blocks;
    const block = item % blocks;
    const first = block * blockLength;
    const offset = (<usize>step * <usize>length + <usize>first) << 2;
    store<f32>(partials + (<usize>(block * steps + step) << 2), <f32>sumDots(x + offset, y + offset, min(blockLength, length - first)));
  }
}
