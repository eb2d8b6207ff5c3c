import { checkArgument, type Kind, kind, show, text } from "../../check.ts";
import { OptionError } from "../../errors.ts";
import { Random } from "../random.ts";
import { checkEvents, type Events } from "./events.ts";

/** Makes other events of the events given, which stay as they are. What it draws comes from `random`: the same stream gives the same events. */
export interface EventTransform {
  (events: Events, random: Random): Events;
  /** Its name and options: what a cache of transformed events is known by. `namedTransform` gives one to a function of your own. */
  readonly key?: string;
}

/** One that draws nothing. */
export interface FixedTransform extends EventTransform {
  (events: Events): Events;
}

/**
 * One transform after the other. Events with none left are handed on as they are.
 * @throws OptionError if one is no function; the transform throws one for wrong events, or for a transform that does not return events
 */
export function compose(...transforms: readonly FixedTransform[]): FixedTransform;
export function compose(...transforms: readonly EventTransform[]): EventTransform;
export function compose(...transforms: readonly EventTransform[]): EventTransform {
  transforms.forEach((transform, i) => checkArgument("compose", `transforms[${i}]`, transform, transformKind));
  const keys = transforms.map(({ key }) => key);
  return withKey(
    (events, random) => {
      checkEvents("compose", events);
      return transforms.reduce((given, transform) => (given.t.length === 0 ? given : returned(transform(given, random))), events);
    },
    keys.includes(undefined) ? undefined : keys.join(" "),
  );
}

/**
 * Gives a function of your own the name that a cache of its results is known by: change it whenever the function changes.
 * @throws OptionError if an argument is wrong
 */
export function namedTransform(key: string, transform: (events: Events, random: Random) => Events): EventTransform {
  checkArgument("namedTransform", "key", key, text);
  checkArgument("namedTransform", "transform", transform, transformKind);
  return withKey((events, random) => transform(events, random), key);
}

/** @internal */
export const transformKind: Kind = kind("a transform of events: denoise({ filterTime: 10_000 }), or a function (events, random) => events", (x) => typeof x === "function");

/**
 * A transform that refuses wrong events by its name.
 * @internal
 */
export const fixed = (name: string, options: object, transform: (events: Events) => Events): FixedTransform =>
  withKey((events: Events) => {
    checkEvents(name, events);
    return transform(events);
  }, keyOf(name, options));

/**
 * The same, of one that draws.
 * @internal
 */
export const random = (name: string, options: object, transform: (events: Events, random: Random) => Events): EventTransform =>
  withKey((events: Events, source: Random) => {
    checkEvents(name, events);
    checkArgument(name, "random", source, randomKind);
    return transform(events, source);
  }, keyOf(name, options));

/** A number, or [least, most) to draw one from. */
export type Range = number | readonly [number, number];

/** @internal */
export const rangeOf = (each: Kind): Kind => kind(
  `${each.expected}, or [least, most] of such`,
  (x) => each.accepts(x) || (Array.isArray(x) && x.length === 2 && x.every(each.accepts) && x[0] <= x[1]),
);

/** @internal */
export const draw = (range: Range, source: Random): number => (typeof range === "number" ? range : range[0] + (range[1] - range[0]) * source.uniform());

const randomKind = kind("a Random: new Random(seed)", (x) => x instanceof Random);

const keyOf = (name: string, options: object): string => `${name}(${JSON.stringify(options)})`;

const withKey = <T extends object>(transform: T, key: string | undefined): T => Object.assign(transform, { key });

function returned(events: Events): Events {
  if (typeof events !== "object" || events === null || !("t" in events)) throw new OptionError(`a transform returned ${show(events)}: expected events { x, y, t, p, width, height }`);
  return events;
}
