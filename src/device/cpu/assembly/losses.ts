const BLOCK: i32 = 16384;

/**
 * Softmax cross-entropy of logits [rows, classes]. gradient = (softmax − one-hot) · scale; losses and correct, both f64 [rows],
 * are each row's loss and whether its first largest logit is the label's. With weights [rows], all three are times the row's. Items are rows.
 */
export function crossEntropyRows(
  scratch: usize, begin: i32, end: i32, logits: usize, labels: usize, weights: usize, gradient: usize, classes: i32, scale: f32, losses: usize, correct: usize,
): void {
  for (let row = begin; row < end; row++) {
    const at = <usize>(row * classes) << 2;
    const weight: f64 = weights == 0 ? 1 : <f64>load<f32>(weights + (<usize>row << 2));
    if (weight == 0) {
      memory.fill(gradient + at, 0, <usize>classes << 2);
      store<f64>(losses + (<usize>row << 3), 0);
      store<f64>(correct + (<usize>row << 3), 0);
      continue;
    }
    const label = load<i32>(labels + (<usize>row << 2));
    let best = 0;
    let largest = load<f32>(logits + at);
    for (let k = 1; k < classes; k++) {
      const logit = load<f32>(logits + at + (<usize>k << 2));
      if (logit > largest) {
        largest = logit;
        best = k;
      }
    }
    let total: f64 = 0;
    let others: f64 = 0;
    for (let k = 0; k < classes; k++) {
      const exponential = NativeMathf.exp(load<f32>(logits + at + (<usize>k << 2)) - largest);
      store<f32>(gradient + at + (<usize>k << 2), exponential);
      total += exponential;
      if (k != label) others += exponential;
    }
    const factor = (weight * <f64>scale) / total;
    for (let k = 0; k < classes; k++) {
      const p = gradient + at + (<usize>k << 2);
      // The label's is p − 1 = −Σ of the others' p: the difference itself would keep few digits of a label that is all but certain.
      store<f32>(p, <f32>((k == label ? 0 - others : load<f32>(p)) * factor));
    }
    const margin = <f64>load<f32>(logits + at + (<usize>label << 2)) - largest;
    store<f64>(losses + (<usize>row << 3), weight * (NativeMath.log(total) - margin));
    store<f64>(correct + (<usize>row << 3), best == label ? weight : 0);
  }
}

/** gradient = factor · (x − target); partials f64 [blocks] = Σ (x − target)² over blocks of 16 384 elements. Items are blocks. */
export function squaredErrors(
  scratch: usize, begin: i32, end: i32, x: usize, target: usize, gradient: usize, size: i32, factor: f32, partials: usize,
): void {
  for (let block = begin; block < end; block++) {
    const stop = <usize>min(size, (block + 1) * BLOCK) << 2;
    let total: f64 = 0;
    for (let at = <usize>(block * BLOCK) << 2; at < stop; at += 4) {
      const error = load<f32>(x + at) - load<f32>(target + at);
      store<f32>(gradient + at, factor * error);
      total += <f64>error * error;
    }
    store<f64>(partials + (<usize>block << 3), total);
  }
}

/** gradient = factor · weight · (x − target) of [rows, columns] with weights [rows]; errors f64 [rows] = weight · Σ (x − target)². Items are rows. */
export function weightedSquaredErrors(
  scratch: usize, begin: i32, end: i32, x: usize, target: usize, weights: usize, gradient: usize, columns: i32, factor: f32, errors: usize,
): void {
  for (let row = begin; row < end; row++) {
    const weight = load<f32>(weights + (<usize>row << 2));
    const stop = <usize>((row + 1) * columns) << 2;
    let total: f64 = 0;
    for (let at = <usize>(row * columns) << 2; at < stop; at += 4) {
      const error = weight == 0 ? <f32>0 : load<f32>(x + at) - load<f32>(target + at);
      store<f32>(gradient + at, weight * factor * error);
      total += <f64>error * error;
    }
    store<f64>(errors + (<usize>row << 3), <f64>weight * total);
  }
}
