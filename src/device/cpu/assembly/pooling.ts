/**
 * Pooling of images [height, width, channels]. The geometry follows the tensors in every kernel: images' height, width and
 * channels, the pooled height and width, then height and width of window, stride and padding.
 */

/** Each pooled value is the maximum over its window. Items are pooled rows of all images. */
export function maxPool(
  scratch: usize, begin: i32, end: i32, x: usize, y: usize, height: i32, width: i32, channels: i32, pooledHeight: i32, pooledWidth: i32,
  windowHeight: i32, windowWidth: i32, strideHeight: i32, strideWidth: i32, paddingHeight: i32, paddingWidth: i32,
): void {
  const pixel = <usize>channels << 2;
  const full = pixel & ~15;
  for (let item = begin; item < end; item++) {
    const image = x + <usize>(item / pooledHeight * height * width) * pixel;
    const row = item % pooledHeight * strideHeight - paddingHeight;
    const top = max(row, 0);
    const bottom = min(row + windowHeight, height);
    let out = y + <usize>(item * pooledWidth) * pixel;
    for (let i = 0; i < pooledWidth; i++) {
      const column = i * strideWidth - paddingWidth;
      const left = max(column, 0);
      const right = min(column + windowWidth, width);
      let c: usize = 0;
      for (; c < full; c += 16) {
        let largest = f32x4.splat(-Infinity);
        for (let iy = top; iy < bottom; iy++) {
          for (let ix = left; ix < right; ix++) largest = f32x4.max(largest, v128.load(image + <usize>(iy * width + ix) * pixel + c));
        }
        v128.store(out + c, largest);
      }
      for (; c < pixel; c += 4) {
        let largest: f32 = -Infinity;
        for (let iy = top; iy < bottom; iy++) {
          for (let ix = left; ix < right; ix++) largest = max(largest, load<f32>(image + <usize>(iy * width + ix) * pixel + c));
        }
        store<f32>(out + c, largest);
      }
      out += pixel;
    }
  }
}

/**
 * dx receives each dy at the first maximum of its window, which is found again. Where the windows tile the image,
 * every dx is written once; else dx is zeroed and added to. Items are images.
 */
export function maxPoolBackward(
  scratch: usize, begin: i32, end: i32, x: usize, dy: usize, dx: usize,
  height: i32, width: i32, channels: i32, pooledHeight: i32, pooledWidth: i32,
  windowHeight: i32, windowWidth: i32, strideHeight: i32, strideWidth: i32, paddingHeight: i32, paddingWidth: i32,
): void {
  const pixel = <usize>channels << 2;
  const full = pixel & ~15;
  const imageBytes = <usize>(height * width) * pixel;
  const tiled = windowHeight == strideHeight && windowWidth == strideWidth && (paddingHeight | paddingWidth) == 0;
  const exact = tiled && pooledHeight * windowHeight == height && pooledWidth * windowWidth == width;
  for (let item = begin; item < end; item++) {
    const image = x + <usize>item * imageBytes;
    const gradient = dx + <usize>item * imageBytes;
    if (!exact) memory.fill(gradient, 0, imageBytes);
    let from = dy + <usize>(item * pooledHeight * pooledWidth) * pixel;
    for (let j = 0; j < pooledHeight; j++) {
      const row = j * strideHeight - paddingHeight;
      const top = max(row, 0);
      const bottom = min(row + windowHeight, height);
      for (let i = 0; i < pooledWidth; i++) {
        const column = i * strideWidth - paddingWidth;
        const left = max(column, 0);
        const right = min(column + windowWidth, width);
        let c: usize = 0;
        for (; c < full; c += 16) {
          let largest = f32x4.splat(-Infinity);
          for (let iy = top; iy < bottom; iy++) {
            for (let ix = left; ix < right; ix++) largest = f32x4.max(largest, v128.load(image + <usize>(iy * width + ix) * pixel + c));
          }
          let rest = v128.load(from + c);
          for (let iy = top; iy < bottom; iy++) {
            for (let ix = left; ix < right; ix++) {
              const at = <usize>(iy * width + ix) * pixel + c;
              const chosen = f32x4.eq(v128.load(image + at), largest);
              const part = v128.and(rest, chosen);
              v128.store(gradient + at, exact ? part : f32x4.add(v128.load(gradient + at), part));
              rest = v128.andnot(rest, chosen);
            }
          }
        }
        for (; c < pixel; c += 4) {
          let largest: f32 = -Infinity;
          for (let iy = top; iy < bottom; iy++) {
            for (let ix = left; ix < right; ix++) largest = max(largest, load<f32>(image + <usize>(iy * width + ix) * pixel + c));
          }
          let rest = load<f32>(from + c);
          for (let iy = top; iy < bottom; iy++) {
            for (let ix = left; ix < right; ix++) {
              const at = <usize>(iy * width + ix) * pixel + c;
              const chosen = load<f32>(image + at) == largest;
              const part: f32 = chosen ? rest : 0;
              store<f32>(gradient + at, exact ? part : load<f32>(gradient + at) + part);
              if (chosen) rest = 0;
            }
          }
        }
        from += pixel;
      }
    }
  }
}

/** Each pooled value is the sum over its window divided by the window's size, padding included. Items are pooled rows of all images. */
export function avgPool(
  scratch: usize, begin: i32, end: i32, x: usize, y: usize, height: i32, width: i32, channels: i32, pooledHeight: i32, pooledWidth: i32,
  windowHeight: i32, windowWidth: i32, strideHeight: i32, strideWidth: i32, paddingHeight: i32, paddingWidth: i32,
): void {
  const pixel = <usize>channels << 2;
  const full = pixel & ~15;
  const share: f32 = 1 / <f32>(windowHeight * windowWidth);
  for (let item = begin; item < end; item++) {
    const image = x + <usize>(item / pooledHeight * height * width) * pixel;
    const row = item % pooledHeight * strideHeight - paddingHeight;
    const top = max(row, 0);
    const bottom = min(row + windowHeight, height);
    let out = y + <usize>(item * pooledWidth) * pixel;
    for (let i = 0; i < pooledWidth; i++) {
      const column = i * strideWidth - paddingWidth;
      const left = max(column, 0);
      const right = min(column + windowWidth, width);
      let c: usize = 0;
      for (; c < full; c += 16) {
        let sum = f32x4.splat(0);
        for (let iy = top; iy < bottom; iy++) {
          for (let ix = left; ix < right; ix++) sum = f32x4.add(sum, v128.load(image + <usize>(iy * width + ix) * pixel + c));
        }
        v128.store(out + c, f32x4.mul(sum, f32x4.splat(share)));
      }
      for (; c < pixel; c += 4) {
        let sum: f32 = 0;
        for (let iy = top; iy < bottom; iy++) {
          for (let ix = left; ix < right; ix++) sum += load<f32>(image + <usize>(iy * width + ix) * pixel + c);
        }
        store<f32>(out + c, sum * share);
      }
      out += pixel;
    }
  }
}

/**
 * dx [height, width] = the sum of dy over the windows that hold the pixel, divided by the window's size. Every dx is written once.
 * Items are rows of all images.
 */
export function avgPoolBackward(
  scratch: usize, begin: i32, end: i32, dy: usize, dx: usize, height: i32, width: i32, channels: i32, pooledHeight: i32, pooledWidth: i32,
  windowHeight: i32, windowWidth: i32, strideHeight: i32, strideWidth: i32, paddingHeight: i32, paddingWidth: i32,
): void {
  const pixel = <usize>channels << 2;
  const full = pixel & ~15;
  const share: f32 = 1 / <f32>(windowHeight * windowWidth);
  for (let item = begin; item < end; item++) {
    const pooled = dy + <usize>(item / height * pooledHeight * pooledWidth) * pixel;
    const row = item % height + paddingHeight;
    const top = firstWindow(row, windowHeight, strideHeight);
    const bottom = min(row / strideHeight + 1, pooledHeight);
    let out = dx + <usize>(item * width) * pixel;
    for (let ix = 0; ix < width; ix++) {
      const column = ix + paddingWidth;
      const left = firstWindow(column, windowWidth, strideWidth);
      const right = min(column / strideWidth + 1, pooledWidth);
      let c: usize = 0;
      for (; c < full; c += 16) {
        let sum = f32x4.splat(0);
        for (let j = top; j < bottom; j++) {
          for (let i = left; i < right; i++) sum = f32x4.add(sum, v128.load(pooled + <usize>(j * pooledWidth + i) * pixel + c));
        }
        v128.store(out + c, f32x4.mul(sum, f32x4.splat(share)));
      }
      for (; c < pixel; c += 4) {
        let sum: f32 = 0;
        for (let j = top; j < bottom; j++) {
          for (let i = left; i < right; i++) sum += load<f32>(pooled + <usize>(j * pooledWidth + i) * pixel + c);
        }
        store<f32>(out + c, sum * share);
      }
      out += pixel;
    }
  }
}

/** The first window that reaches `position`: the least i ≥ 0 with i · stride + window > position. */
@inline
function firstWindow(position: i32, window: i32, stride: i32): i32 {
  return position < window ? 0 : (position - window) / stride + 1;
}
