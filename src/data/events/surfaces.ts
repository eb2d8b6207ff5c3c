import { checkOptions, integer, type OptionKinds, positive, required } from "../../check.ts";
import { checkEvents, type Events } from "./events.ts";
import { type Frames, frameEnds } from "./frames.ts";

export interface VoxelGridOptions {
  /** T. */
  timeBins: number;
}

const voxelKinds: OptionKinds<VoxelGridOptions> = { timeBins: required(integer(1)) };

/**
 * A voxel grid [T, H, W, 1] (A. Z. Zhu et al., "Unsupervised event-based learning of optical flow, depth, and egomotion", CVPR 2019): each event adds its
 * polarity, +1 or −1, to the two time bins around it, more to the nearer. Tonic's `ToVoxelGrid`: T bins between the first event and the last, which falls
 * behind the last bin.
 * @throws OptionError if an option or the events are wrong
 */
export function toVoxelGrid(events: Events, options: VoxelGridOptions): Frames<Float32Array> {
  checkEvents("toVoxelGrid", events);
  checkOptions("toVoxelGrid", options, voxelKinds);
  const { timeBins } = options;
  const { x, y, t, p, width, height } = events;
  const size = width * height;
  frameEnds("toVoxelGrid", t, { steps: timeBins }, size);
  const data = new Float32Array(timeBins * size);
  const span = t.length === 0 ? 0 : t[t.length - 1] - t[0];
  for (let i = 0; i < t.length; i++) {
    // Events that are all at one time are in the first bin.
    const place = span === 0 ? 0 : timeBins * (t[i] - t[0]) / span;
    const bin = Math.floor(place);
    const polarity = p[i] === 1 ? 1 : -1;
    const at = bin * size + y[i] * width + x[i];
    if (bin < timeBins) data[at] += polarity * (1 - (place - bin));
    if (bin + 1 < timeBins) data[at + size] += polarity * (place - bin);
  }
  return { data, shape: [timeBins, height, width, 1] };
}

export interface TimesurfaceOptions {
  /** µs between two surfaces. */
  dt: number;
  /** µs in which an event's trace falls to 1/e. */
  tau: number;
}

const surfaceKinds: OptionKinds<TimesurfaceOptions> = { dt: required(positive), tau: required(positive) };

/**
 * Time surfaces [T, H, W, 2] (X. Lagorce et al., "HOTS: a hierarchy of event-based time-surfaces for pattern recognition", TPAMI 2017), one for each whole `dt`
 * of the recording, at least one: exp(−(time since the pixel's last event) / tau) at its end, 0 where there was none. Channel 0 is polarity 0. Tonic's `ToTimesurface`.
 * @throws OptionError if an option or the events are wrong
 */
export function toTimesurface(events: Events, options: TimesurfaceOptions): Frames<Float32Array> {
  checkEvents("toTimesurface", events);
  checkOptions("toTimesurface", options, surfaceKinds);
  const { dt, tau } = options;
  const { x, y, t, p, width, height } = events;
  const size = width * height * 2;
  const start = t[0] ?? 0;
  const steps = Math.max(1, Math.floor(((t.at(-1) ?? 0) - start) / dt));
  const ends = frameEnds("toTimesurface", t, { steps, duration: dt }, size);
  const last = new Float64Array(size).fill(-Infinity);
  const data = new Float32Array(steps * size);
  for (let step = 0; step < steps; step++) {
    for (let i = ends[step]; i < ends[step + 1]; i++) last[(y[i] * width + x[i]) * 2 + p[i]] = t[i];
    const now = start + (step + 1) * dt;
    for (let k = 0; k < size; k++) data[step * size + k] = Math.exp(-(now - last[k]) / tau);
  }
  return { data, shape: [steps, height, width, 2] };
}
