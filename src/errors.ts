/** Base of every error that Spikefold throws on purpose: what was given, what was expected, what to do. */
export class SpikefoldError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A neuron definition, or the value of one of its parameters, makes no sense. */
export class NeuronError extends SpikefoldError {}

/** An option has a value outside its range. */
export class OptionError extends SpikefoldError {}

/** Lengths or shapes do not fit together. */
export class ShapeError extends SpikefoldError {}

/** A device is unknown, missing, closed, or failed. */
export class DeviceError extends SpikefoldError {}

/** A file from outside (data set, checkpoint) is missing, truncated or not what it claims to be. */
export class FileFormatError extends SpikefoldError {}
