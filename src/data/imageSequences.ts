import { checkArgument, checkOptions, oneOf, type OptionKinds, required } from "../check.ts";
import { checkDataset, type ImageDataset, isFloat } from "./dataset.ts";
import type { SequenceDataset } from "./sequences.ts";

export interface ImageSequencesOptions {
  /** What a time step is: a row of the image, [width · channels], or a pixel, [channels], row after row. */
  by: "rows" | "pixels";
}

const kinds: OptionKinds<ImageSequencesOptions> = { by: required(oneOf("rows", "pixels")) };

/**
 * Images that are read as time passes: of MNIST by rows 28 steps of 28 values, by pixels 784 steps of one, which is known as sequential MNIST (Q. V. Le, N. Jaitly and G. E. Hinton, "A simple way to
 * initialize recurrent networks of rectified linear units", 2015). Values are intensities: bytes divided by 255, floats as they are.
 * @throws as `checkDataset` does; OptionError for an option that is missing or wrong
 */
export function imageSequences(dataset: ImageDataset, options: ImageSequencesOptions): SequenceDataset {
  checkDataset(dataset);
  checkOptions("imageSequences", options, kinds);
  const { name, images, labels, count, height, width, channels, classes, classNames } = dataset;
  const size = height * width * channels;
  const shape = options.by === "rows" ? [width * channels] : [channels];
  const steps = size / shape[0];
  const scale = isFloat(images) ? 1 : 255;
  return {
    name: `${name} by ${options.by}`, count, shape, lengths: new Uint32Array(count).fill(steps), labels, classes, ...(classNames && { classNames }),
    sequence(index) {
      checkArgument("sequence", "index", index, { expected: `a sample, 0 … ${count - 1}`, accepts: (x) => Number.isInteger(x) && (x as number) >= 0 && (x as number) < count });
      return Float32Array.from(images.subarray(index * size, (index + 1) * size), (value) => value / scale);
    },
  };
}
