import { constant, latency, poissonRate } from "../data/encode.ts";
import type { EncoderMaker } from "../train/encoding.ts";
import type { Loss } from "../train/loss.ts";
import { crossEntropy } from "../train/losses/crossEntropy.ts";
import { type DatasetName, ofSequences } from "./datasets.ts";
import { type ReferenceModelName, referenceModels } from "../train/models.ts";
import { adam, adamW, type Optimizer, sgd } from "../train/optimizer.ts";

/** How images become input over time. `latency`: the brighter the earlier, spread evenly over all steps. */
export const encoders = {
  constant,
  poisson: poissonRate,
  latency: ({ steps }) => latency({ steps, linear: true, normalize: true }),
} satisfies Record<string, EncoderMaker>;

export type EncoderName = keyof typeof encoders;
export const encoderNames = Object.keys(encoders) as EncoderName[];

/** The optimisers by the names of the command line, where case matters little. */
export const optimizers = {
  adam: ({ lr }) => adam({ lr }),
  adamw: ({ lr }) => adamW({ lr }),
  sgd: ({ lr, momentum = MOMENTUM }) => sgd({ lr, momentum }),
} satisfies Record<string, (options: { lr: number; momentum?: number }) => Optimizer>;

export type OptimizerName = keyof typeof optimizers;
export const optimizerNames = Object.keys(optimizers) as OptimizerName[];

/** Of sgd. */
export const MOMENTUM = 0.9;

/** What a model is trained with: an mlp on sequences reads out membranes. */
export const lossOf = ({ model, dataset }: { model: ReferenceModelName; dataset: DatasetName }): Loss => crossEntropy({ of: model === "mlp" && ofSequences(dataset) ? "rate" : referenceModels[model].loss });
