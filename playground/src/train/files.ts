/** MNIST's files as the page has them, images and labels: its first images only, under the usual names, in a directory of this name. */
export const directory = "mnist";

export const files = {
  train: ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"],
  test: ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"],
} as const;

export type SplitName = keyof typeof files;

/** Images of each that the page has, and that there are. */
export const counts: Readonly<Record<SplitName, number>> = { train: 12_000, test: 2_000 };
export const allTraining = 60_000;
