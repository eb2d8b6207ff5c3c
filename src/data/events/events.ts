import { checkArgument, integer, kind, listOf, object, show, text } from "../../check.ts";
import { OptionError, ShapeError } from "../../errors.ts";
import { countBackwards, orderOfTime } from "./order.ts";

/** The events of a recording, one in each place of the four arrays, in the order of time. */
export interface Events {
  /** Columns, as the file counts them: each below `width`. */
  readonly x: Uint16Array;
  /** Rows, as the file counts them: each below `height`. */
  readonly y: Uint16Array;
  /** Microseconds from the file's own origin, never decreasing. */
  readonly t: Float64Array;
  /** Polarity: 1 where the light grew, 0 where it fell. */
  readonly p: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** What was put right or left out on reading. */
  readonly warnings?: readonly string[];
}

const size = integer(1, 65536);

/**
 * @param what whose events: "toFrames"
 * @throws OptionError for a field of the wrong type, a place beyond the sensor, a polarity that is not 0 or 1, a time that is not finite or before the one
 * ahead of it; ShapeError if the arrays are not equally long.
 */
export function checkEvents(what: string, events: Events): void {
  if (!object.accepts(events)) throw new OptionError(`${what}: events is ${show(events)}: expected what readEvents gives, an object { x, y, t, p, width, height }`);
  const { x, y, t, p, width, height, warnings = [] } = events;
  for (const [name, value, type] of [["x", x, "Uint16Array"], ["y", y, "Uint16Array"], ["t", t, "Float64Array"], ["p", p, "Uint8Array"]] as const) {
    checkArgument(what, `events.${name}`, value, typed(type));
  }
  checkArgument(what, "events.width", width, size);
  checkArgument(what, "events.height", height, size);
  checkArgument(what, "events.warnings", warnings, listOf(text));
  if (y.length !== x.length || t.length !== x.length || p.length !== x.length) {
    throw new ShapeError(`${what}: events have ${x.length} x, ${y.length} y, ${t.length} t and ${p.length} p: expected as many of each`);
  }
  const wrong = firstWrong(events);
  if (wrong < 0) return;
  const expected = x[wrong] >= width || y[wrong] >= height ? `x and y on a sensor of ${width} × ${height}`
    : p[wrong] > 1 ? "p = 0 or 1" : wrong > 0 && t[wrong] < t[wrong - 1] ? `t ≥ ${t[wrong - 1]}, that of the event before` : "a finite t";
  throw new OptionError(`${what}: event ${wrong} is { x: ${x[wrong]}, y: ${y[wrong]}, t: ${t[wrong]}, p: ${p[wrong]} }: expected ${expected}`);
}

function firstWrong({ x, y, t, p, width, height }: Events): number {
  let last = -Infinity;
  for (let i = 0; i < t.length; i++) {
    // A t of NaN is not ≥ last either.
    if (x[i] >= width || y[i] >= height || p[i] > 1 || !(t[i] >= last) || t[i] - t[i] !== 0) return i;
    last = t[i];
  }
  return -1;
}

/** Events `start` … `end` − 1: views, not copies. */
export const sliceEvents = (events: Events, start: number, end = events.t.length): Events =>
  ({ ...events, x: events.x.subarray(start, end), y: events.y.subarray(start, end), t: events.t.subarray(start, end), p: events.p.subarray(start, end) });

/** Copies of the events at these places, in this order. */
export function takeEvents(events: Events, places: Uint32Array): Events {
  const { x, y, t, p } = events;
  const taken = { x: new Uint16Array(places.length), y: new Uint16Array(places.length), t: new Float64Array(places.length), p: new Uint8Array(places.length) };
  for (let i = 0; i < places.length; i++) {
    const place = places[i];
    taken.x[i] = x[place];
    taken.y[i] = y[place];
    taken.t[i] = t[place];
    taken.p[i] = p[place];
  }
  return { ...events, ...taken };
}

/** Copies of the events that `keep` is not 0 at. */
export function selectEvents(events: Events, keep: Uint8Array): Events {
  const places = new Uint32Array(keep.length);
  let count = 0;
  for (let i = 0; i < keep.length; i++) if (keep[i]) places[count++] = i;
  return takeEvents(events, places.subarray(0, count));
}

/** In the order of time; events of one time keep theirs. The same object where nothing is to do, else a copy. */
export function sortEvents(events: Events): Events {
  return countBackwards(events.t) === 0 ? events : takeEvents(events, orderOfTime(events.t));
}

/** All events of several recordings in the order of time, on a sensor that holds each of theirs. At least one recording. */
export function concatEvents(...parts: readonly Events[]): Events {
  const count = parts.reduce((sum, { t }) => sum + t.length, 0);
  const whole = {
    x: new Uint16Array(count), y: new Uint16Array(count), t: new Float64Array(count), p: new Uint8Array(count),
    width: Math.max(...parts.map(({ width }) => width)), height: Math.max(...parts.map(({ height }) => height)),
  };
  let at = 0;
  for (const { x, y, t, p } of parts) {
    whole.x.set(x, at);
    whole.y.set(y, at);
    whole.t.set(t, at);
    whole.p.set(p, at);
    at += t.length;
  }
  const warnings = parts.flatMap((part) => part.warnings ?? []);
  return sortEvents(warnings.length > 0 ? { ...whole, warnings } : whole);
}

const typed = (name: string) => kind(`a ${name}`, (x) => ArrayBuffer.isView(x) && (x as Uint8Array)[Symbol.toStringTag] === name);
