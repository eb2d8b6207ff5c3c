export type DeviceChoice = "webgpu" | "cpu";

export interface OpenedDevice {
  /** The library's name for it. */
  name: string;
  description: string;
  /** Why it is not the one that was asked for, or null. */
  fallback: string | null;
}

/** A neuron as text: what a worker reads it from. */
export interface NeuronSource {
  source: string;
  /** Values of its parameters that differ from the definition's. */
  params: Readonly<Record<string, number>>;
}

/** An error as it crosses from a worker. */
export interface Failure {
  message: string;
  /** What the visitor can do, where the message does not say it. */
  advice: string | null;
}
