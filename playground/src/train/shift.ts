import type { Augmentation } from "../../../src/data/batches.ts";

const REACH = 2;

/** Moves each image by up to two pixels each way: what makes a network take drawings that are not quite centred. */
export const shift: Augmentation = (images, [count, height, width], random) => {
  const size = height * width;
  for (let i = 0; i < count; i++) {
    const image = images.subarray(i * size, (i + 1) * size);
    const [dy, dx] = [random.integer(2 * REACH + 1) - REACH, random.integer(2 * REACH + 1) - REACH];
    const before = image.slice();
    image.fill(0);
    const [left, right] = [Math.max(0, -dx), Math.min(width, width - dx)];
    for (let y = Math.max(0, -dy); y < Math.min(height, height - dy); y++) {
      image.set(before.subarray(y * width + left, y * width + right), (y + dy) * width + left + dx);
    }
  }
};
