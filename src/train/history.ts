/** What one epoch brought. Losses are means over samples, accuracies fractions 0…1. */
export interface EpochMetrics {
  /** From 1. */
  epoch: number;
  /** Of the batches as they were trained on. */
  trainLoss: number;
  trainAccuracy: number;
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
}

export interface History {
  epochs: EpochMetrics[];
  steps: StepMetrics[];
}
