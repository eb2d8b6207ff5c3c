/**
 * Pooling of images [height, width, channels]. The geometry follows the tensors in every kernel: images' height, width and
 * channels, the pooled height and width, then height and width of window, stride and padding.
 */

/** The maximum over a window of `rows` × `columns` pixels from `at` on. */
@inline
function largest4(at: usize, rows: i32, columns: i32, rowBytes: usize, pixel: usize): v128 {
  if (rows == 2 && columns == 2) {
    const top = f32x4.max(v128.load(at), v128.load(at + pixel));
    return f32x4.max(top, f32x4.max(v128.load(at + rowBytes), v128.load(at + rowBytes + pixel)));
  }
  let largest = f32x4.splat(-Infinity);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) largest = f32x4.max(largest, v128.load(at + <usize>column * pixel));
    at += rowBytes;
  }
  return largest;
}

@inline
function largest1(at: usize, rows: i32, columns: i32, rowBytes: usize, pixel: usize): f32 {
  let largest: f32 = -Infinity;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) largest = max(largest, load<f32>(at + <usize>column * pixel));
    at += rowBytes;
  }
  return largest;
}

/** The sum over a window of `rows` × `columns` pixels from `at` on. */
@inline
function sum4(at: usize, rows: i32, columns: i32, rowBytes: usize, pixel: usize): v128 {
  if (rows == 1 && columns == 1) return v128.load(at);
  if (rows == 2 && columns == 2) {
    const top = f32x4.add(v128.load(at), v128.load(at + pixel));
    return f32x4.add(top, f32x4.add(v128.load(at + rowBytes), v128.load(at + rowBytes + pixel)));
  }
  let sum = f32x4.splat(0);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) sum = f32x4.add(sum, v128.load(at + <usize>column * pixel));
    at += rowBytes;
  }
  return sum;
}

@inline
function sum1(at: usize, rows: i32, columns: i32, rowBytes: usize, pixel: usize): f32 {
  let sum: f32 = 0;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) sum += load<f32>(at + <usize>column * pixel);
    at += rowBytes;
  }
  return sum;
}

/** Gives the values of `rest` to the lanes of dx whose x is the largest, and returns what is left. */
@inline
function give4(x: usize, dx: usize, largest: v128, rest: v128, overwrite: bool): v128 {
  const chosen = f32x4.eq(v128.load(x), largest);
  const part = v128.and(rest, chosen);
  if (overwrite) v128.store(dx, part);
  else v128.store(dx, f32x4.add(v128.load(dx), part));
  return v128.andnot(rest, chosen);
}

@inline
function give1(x: usize, dx: usize, largest: f32, rest: f32, overwrite: bool): f32 {
  const chosen = load<f32>(x) == largest;
  const part: f32 = chosen ? rest : 0;
  store<f32>(dx, overwrite ? part : load<f32>(dx) + part);
  return chosen ? 0 : rest;
}

/** Each pooled value is the maximum over its window. Items are pooled rows of all images. */
export function maxPool(
  scratch: usize, begin: i32, end: i32, x: usize, y: usize,
  height: i32, width: i32, channels: i32, pooledHeight: i32, pooledWidth: i32,
  windowHeight: i32, windowWidth: i32, strideHeight: i32, strideWidth: i32, paddingHeight: i32, paddingWidth: i32,
): void {
  const pixel = <usize>channels << 2;
  const rowBytes = <usize>width * pixel;
  const full = pixel & ~15;
  for (let item = begin; item < end; item++) {
    const image = x + <usize>(item / pooledHeight * height) * rowBytes;
    const row = item % pooledHeight * strideHeight - paddingHeight;
    const top = max(row, 0);
    const rows = min(row + windowHeight, height) - top;
    let out = y + <usize>(item * pooledWidth) * pixel;
    for (let i = 0; i < pooledWidth; i++) {
      const column = i * strideWidth - paddingWidth;
      const left = max(column, 0);
      const columns = min(column + windowWidth, width) - left;
      const at = image + <usize>top * rowBytes + <usize>left * pixel;
      let c: usize = 0;
      for (; c < full; c += 16) v128.store(out + c, largest4(at + c, rows, columns, rowBytes, pixel));
      for (; c < pixel; c += 4) store<f32>(out + c, largest1(at + c, rows, columns, rowBytes, pixel));
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
  const rowBytes = <usize>width * pixel;
  const imageBytes = <usize>height * rowBytes;
  const full = pixel & ~15;
  const tiled = windowHeight == strideHeight && windowWidth == strideWidth && (paddingHeight | paddingWidth) == 0;
  const exact = tiled && pooledHeight * windowHeight == height && pooledWidth * windowWidth == width;
  for (let item = begin; item < end; item++) {
    const offset = <usize>item * imageBytes;
    if (!exact) memory.fill(dx + offset, 0, imageBytes);
    let from = dy + <usize>(item * pooledHeight * pooledWidth) * pixel;
    for (let j = 0; j < pooledHeight; j++) {
      const row = j * strideHeight - paddingHeight;
      const top = max(row, 0);
      const rows = min(row + windowHeight, height) - top;
      for (let i = 0; i < pooledWidth; i++) {
        const column = i * strideWidth - paddingWidth;
        const left = max(column, 0);
        const columns = min(column + windowWidth, width) - left;
        const at = offset + <usize>top * rowBytes + <usize>left * pixel;
        route(x + at, dx + at, from, full, pixel, rows, columns, rowBytes, exact);
        from += pixel;
      }
    }
  }
}

/** Routes the gradients of one window's channels. */
@inline
function route(x: usize, dx: usize, dy: usize, full: usize, pixel: usize, rows: i32, columns: i32, rowBytes: usize, overwrite: bool): void {
  let c: usize = 0;
  for (; c < full; c += 16) {
    const largest = largest4(x + c, rows, columns, rowBytes, pixel);
    let rest = v128.load(dy + c);
    if (rows == 2 && columns == 2) {
      rest = give4(x + c, dx + c, largest, rest, overwrite);
      rest = give4(x + c + pixel, dx + c + pixel, largest, rest, overwrite);
      rest = give4(x + c + rowBytes, dx + c + rowBytes, largest, rest, overwrite);
      give4(x + c + rowBytes + pixel, dx + c + rowBytes + pixel, largest, rest, overwrite);
      continue;
    }
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const at = <usize>row * rowBytes + <usize>column * pixel + c;
        rest = give4(x + at, dx + at, largest, rest, overwrite);
      }
    }
  }
  for (; c < pixel; c += 4) {
    const largest = largest1(x + c, rows, columns, rowBytes, pixel);
    let rest = load<f32>(dy + c);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const at = <usize>row * rowBytes + <usize>column * pixel + c;
        rest = give1(x + at, dx + at, largest, rest, overwrite);
      }
    }
  }
}

/** Each pooled value is the sum over its window divided by the window's size, padding included. Items are pooled rows of all images. */
export function avgPool(
  scratch: usize, begin: i32, end: i32, x: usize, y: usize,
  height: i32, width: i32, channels: i32, pooledHeight: i32, pooledWidth: i32,
  windowHeight: i32, windowWidth: i32, strideHeight: i32, strideWidth: i32, paddingHeight: i32, paddingWidth: i32,
): void {
  const pixel = <usize>channels << 2;
  const rowBytes = <usize>width * pixel;
  const full = pixel & ~15;
  const share: f32 = 1 / <f32>(windowHeight * windowWidth);
  for (let item = begin; item < end; item++) {
    const image = x + <usize>(item / pooledHeight * height) * rowBytes;
    const row = item % pooledHeight * strideHeight - paddingHeight;
    const top = max(row, 0);
    const rows = min(row + windowHeight, height) - top;
    let out = y + <usize>(item * pooledWidth) * pixel;
    for (let i = 0; i < pooledWidth; i++) {
      const column = i * strideWidth - paddingWidth;
      const left = max(column, 0);
      const columns = min(column + windowWidth, width) - left;
      const at = image + <usize>top * rowBytes + <usize>left * pixel;
      let c: usize = 0;
      for (; c < full; c += 16) v128.store(out + c, f32x4.mul(sum4(at + c, rows, columns, rowBytes, pixel), f32x4.splat(share)));
      for (; c < pixel; c += 4) store<f32>(out + c, sum1(at + c, rows, columns, rowBytes, pixel) * share);
      out += pixel;
    }
  }
}

/**
 * dx = the sum of dy over the windows that hold the pixel, divided by the window's size. Every dx is written once.
 * Items are rows of all images.
 */
export function avgPoolBackward(
  scratch: usize, begin: i32, end: i32, dy: usize, dx: usize,
  height: i32, width: i32, channels: i32, pooledHeight: i32, pooledWidth: i32,
  windowHeight: i32, windowWidth: i32, strideHeight: i32, strideWidth: i32, paddingHeight: i32, paddingWidth: i32,
): void {
  const pixel = <usize>channels << 2;
  const rowBytes = <usize>pooledWidth * pixel;
  const full = pixel & ~15;
  const share: f32 = 1 / <f32>(windowHeight * windowWidth);
  for (let item = begin; item < end; item++) {
    const pooled = dy + <usize>(item / height * pooledHeight) * rowBytes;
    const row = item % height + paddingHeight;
    const top = firstWindow(row, windowHeight, strideHeight);
    const rows = min(row / strideHeight + 1, pooledHeight) - top;
    let out = dx + <usize>(item * width) * pixel;
    for (let i = 0; i < width; i++) {
      const column = i + paddingWidth;
      const left = firstWindow(column, windowWidth, strideWidth);
      const columns = min(column / strideWidth + 1, pooledWidth) - left;
      const at = pooled + <usize>top * rowBytes + <usize>left * pixel;
      let c: usize = 0;
      for (; c < full; c += 16) v128.store(out + c, f32x4.mul(sum4(at + c, rows, columns, rowBytes, pixel), f32x4.splat(share)));
      for (; c < pixel; c += 4) store<f32>(out + c, sum1(at + c, rows, columns, rowBytes, pixel) * share);
      out += pixel;
    }
  }
}

/** The first window that reaches `position`: the least i ≥ 0 with i · stride + window > position. */
@inline
function firstWindow(position: i32, window: i32, stride: i32): i32 {
  return position < window ? 0 : (position - window) / stride + 1;
}
