import { checkOptions, type OptionKinds, share } from "../../check.ts";
import type { Events } from "./events.ts";
import { type EventTransform, random } from "./transform.ts";

export interface FlipOptions {
  /** The probability. Default: 0.5. */
  p?: number;
}

const kinds: OptionKinds<FlipOptions> = { p: share };

/**
 * Mirrors all events left to right with probability `p`: Tonic's `RandomFlipLR`.
 * @throws OptionError if an option is wrong
 */
export const randomFlipLR = (options: FlipOptions = {}): EventTransform => flip("randomFlipLR", options, (events) => ({ ...events, x: events.x.map((x) => events.width - 1 - x) }));

/**
 * Mirrors all events upside down with probability `p`: Tonic's `RandomFlipUD`.
 * @throws OptionError if an option is wrong
 */
export const randomFlipUD = (options: FlipOptions = {}): EventTransform => flip("randomFlipUD", options, (events) => ({ ...events, y: events.y.map((y) => events.height - 1 - y) }));

/**
 * Exchanges the polarities of all events with probability `p`: Tonic's `RandomFlipPolarity`.
 * @throws OptionError if an option is wrong
 */
export const randomFlipPolarity = (options: FlipOptions = {}): EventTransform => flip("randomFlipPolarity", options, (events) => ({ ...events, p: events.p.map((p) => 1 - p) }));

function flip(name: string, options: FlipOptions, flipped: (events: Events) => Events): EventTransform {
  checkOptions(name, options, kinds);
  const { p = 0.5 } = options;
  return random(name, options, (events, source) => (source.uniform() < p ? flipped(events) : events));
}
