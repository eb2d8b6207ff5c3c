import { oneOf } from "../check.ts";
import { FileFormatError } from "../errors.ts";
import { nodeModule } from "../runtime.ts";
import { type CachedDataset, checkEventDataset, eventDataset, type EventDatasetOptions, type EventSample } from "./events/dataset.ts";
import { type Events, sliceEvents } from "./events/events.ts";
import { lowerBound } from "./events/frames.ts";
import { readEvents } from "./events/read.ts";

const { readFile } = nodeModule("node:fs/promises");
const { join } = nodeModule("node:path");

const CLASSES = [
  "hand clapping", "right hand wave", "left hand wave", "right arm clockwise", "right arm counter clockwise", "left arm clockwise", "left arm counter clockwise",
  "arm roll", "air drums", "air guitar", "other gestures",
];

/** A gesture in a recording of several, from `start` to just before `end`, µs. */
interface Gesture extends EventSample {
  start: number;
  end: number;
}

/**
 * DVS128 Gesture (A. Amir et al., "A low power, fully event-based gesture recognition system", CVPR 2017): eleven gestures of 29 people, frames [T, 128, 128, 2].
 * Recordings are cut at the times of their label files; of a sample, time 0 (`origin: "file"`) is where the label begins.
 *
 * @param directory the unpacked folder DvsGesture: .aedat files, a _labels.csv for each, trials_to_train.txt and trials_to_test.txt
 * @throws FileFormatError if files are missing or malformed, OptionError if an argument or option is wrong
 */
export async function loadDvsGesture(directory: string, options: EventDatasetOptions): Promise<CachedDataset> {
  checkEventDataset("loadDvsGesture", directory, options, oneOf("train", "test"));
  const trials = join(directory, `trials_to_${options.split}.txt`);
  const names = (await readText(directory, trials)).split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");
  const tables = names.map((name) => join(directory, name.replace(/\.aedat$/, "_labels.csv")));
  const samples = (await Promise.all(names.map(async (name, i) => parseLabels(tables[i], await readText(directory, tables[i]), join(directory, name))))).flat();
  if (samples.length === 0) throw new FileFormatError(`${trials} names no recording with gestures: expected lines like user01_fluorescent.aedat`);
  let last: { file: string; events: Promise<Events> } | undefined;
  return eventDataset<Gesture>({
    name: `DVS128 Gesture ${options.split}`, directory, classNames: CLASSES, samples, parallel: 1, tables: [trials, ...tables],
    read: async ({ file, start, end }) => {
      // A recording holds about a dozen samples, one after the other.
      if (last?.file !== file) last = { file, events: readEvents(file, { format: "aedat3", width: 128, height: 128 }) };
      const events = await last.events;
      const gesture = sliceEvents(events, lowerBound(events.t, start), lowerBound(events.t, end));
      return { ...gesture, t: gesture.t.map((t) => t - start) };
    },
  }, options);
}

/** Lines "class,startTime_usec,endTime_usec", classes from 1. */
function parseLabels(table: string, text: string, file: string): Gesture[] {
  return text.split(/\r?\n/).flatMap((line, i) => {
    if (i === 0 || line.trim() === "") return [];
    const [label, start, end] = line.split(",").map((field) => Number(field.trim() || NaN));
    if (!Number.isInteger(label) || label < 1 || label > CLASSES.length || !(start >= 0) || !(end >= start)) {
      throw new FileFormatError(`${table}, line ${i + 1}: found ${JSON.stringify(line)}: expected a class in 1 … ${CLASSES.length}, a start and an end in µs, with commas between`);
    }
    return [{ file, label: label - 1, start, end }];
  });
}

async function readText(directory: string, file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new FileFormatError(
      `${file} cannot be read: ${(cause as Error).message}. Download DvsGesture.tar.gz from https://research.ibm.com/interactive/dvsgesture/ and pass the unpacked folder, not ${directory}, if that is another`,
      { cause },
    );
  }
}
