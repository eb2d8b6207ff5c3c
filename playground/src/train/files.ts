/** The page's directory of MNIST's files: IDX, gzipped, its first images only. Their names do not end in .gz, under which they would be looked for last. */
export const directory = "mnist";

/** A network that was trained before: node scripts/pretrain.mjs makes it. */
export const pretrained = "pretrained.safetensors";

/** Images that they hold. */
export const counts = { train: 12_000, t10k: 2_000 } as const;

/** Training images that MNIST has. */
export const allTraining = 60_000;
