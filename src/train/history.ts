/** What one epoch brought. Losses are means over samples, accuracies fractions 0…1. */
export interface EpochMetrics {
  /** From 1. */
  epoch: number;
  /** Of the batches as they were trained on. */
  trainLoss: number;
  trainAccuracy: number;
  /** What regularisers added to the loss, which is without it; where there are any. */
  trainPenalty?: number;
  /** After the epoch, where it was evaluated. */
  testLoss?: number;
  testAccuracy?: number;
  /** Of training alone. */
  seconds: number;
  samplesPerSecond: number;
}

/** What one update brought: loss and accuracy of its batch. */
export interface StepMetrics {
  /** From 1, over all epochs. */
  step: number;
  loss: number;
  accuracy: number;
  /** What regularisers added to the loss, which is without it; where there are any. */
  penalty?: number;
}

export interface History {
  epochs: EpochMetrics[];
  steps: StepMetrics[];
}
