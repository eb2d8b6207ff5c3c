import { modelNotes } from "../../../src/train/weights.ts";
import type { WeightsFile } from "./protocol.ts";
import { fromNotes, type TrainSettings } from "./settings.ts";

/** The settings with which a file's weights were trained. A file that cannot be read leaves them as they are: the worker says what is wrong with it. */
export function toSettings({ bytes, name }: WeightsFile, settings: TrainSettings): TrainSettings {
  try {
    return fromNotes(modelNotes(bytes, name), settings);
  } catch {
    return settings;
  }
}
