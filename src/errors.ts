/** Base of every error that Spikefold throws on purpose: what was given, what was expected, what to do. */
export class SpikefoldError extends Error {
  // In every class by hand: minifiers shorten the names of classes.
  override name = "SpikefoldError";
}

/** A neuron definition, or the value of one of its parameters, makes no sense. */
export class NeuronError extends SpikefoldError {
  override name = "NeuronError";
}

/** An option has a value outside its range. */
export class OptionError extends SpikefoldError {
  override name = "OptionError";
}

/** Lengths or shapes do not fit together. */
export class ShapeError extends SpikefoldError {
  override name = "ShapeError";
}

/** A device is unknown, missing, closed, or failed. */
export class DeviceError extends SpikefoldError {
  override name = "DeviceError";
}

/** A file from outside (data set, checkpoint) is missing, truncated or not what it claims to be. */
export class FileFormatError extends SpikefoldError {
  override name = "FileFormatError";
}

/** A group of processes cannot be formed, does not agree, or lost one of them. */
export class ParallelError extends SpikefoldError {
  override name = "ParallelError";
}
