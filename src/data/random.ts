import { checkArgument, finite, integer, kind, notNegative, show } from "../check.ts";
import { OptionError } from "../errors.ts";

/** What a Random needs to go on where it was: plain JSON, made for checkpoints. */
export interface RandomState {
  /** 64 bits that name the stream, as 16 hexadecimal digits; forks derive from it. */
  key: string;
  /** The generator's four 32-bit words. */
  words: readonly number[];
}

/**
 * A seeded stream of random numbers: xoshiro128** 1.1, period 2^128 − 1 (D. Blackman and S. Vigna, "Scrambled linear
 * pseudorandom number generators", ACM TOMS 47(4), 2021; https://prng.di.unimi.it/), its words filled by SplitMix64
 * as the authors advise.
 */
export class Random {
  private key = 0n;
  private readonly words = new Uint32Array(4);

  /** @param source a seed, an integer in [0, 2^53), or the state of another Random. Anything else is an OptionError. */
  constructor(source: number | RandomState) {
    if (typeof source === "object" && source !== null) {
      this.state = source;
    } else {
      checkArgument("new Random", "the seed", source, integer(0));
      this.startStream(BigInt(source));
    }
  }

  /** 32 random bits, an integer in [0, 2^32). */
  uint32(): number {
    const s = this.words;
    const scrambled = Math.imul(s[1], 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  /** Uniform in [0, 1), a multiple of 2^−53. */
  uniform(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 0x4000000 + low) / 0x20000000000000;
  }

  /** Fills `target` with values uniform in [lo, hi), of 24 random bits each; rounding to f32 may reach `hi` itself. */
  uniformInto(target: Float32Array, lo = 0, hi = 1): void {
    checkArgument("uniformInto", "target", target, floats);
    checkArgument("uniformInto", "lo", lo, finite);
    checkArgument("uniformInto", "hi", hi, finite);
    if (lo > hi) throw new OptionError(`uniformInto was given the range [${lo}, ${hi}): expected lo ≤ hi`);
    const scale = (hi - lo) / 0x1000000;
    for (let i = 0; i < target.length; i++) target[i] = lo + scale * (this.uint32() >>> 8);
  }

  /** Normally distributed with mean 0 and standard deviation 1 (G. Box and M. Muller, 1958). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Fills `target` with normally distributed values; both of each pair that Box and Muller's transform gives. */
  normalInto(target: Float32Array, mean = 0, deviation = 1): void {
    checkArgument("normalInto", "target", target, floats);
    checkArgument("normalInto", "mean", mean, finite);
    checkArgument("normalInto", "deviation", deviation, notNegative);
    for (let i = 0; i < target.length; i += 2) {
      const radius = deviation * Math.sqrt(-2 * Math.log(1 - this.uniform()));
      const angle = 2 * Math.PI * this.uniform();
      target[i] = mean + radius * Math.cos(angle);
      if (i + 1 < target.length) target[i + 1] = mean + radius * Math.sin(angle);
    }
  }

  /** An unbiased integer in [0, n), for n an integer in [1, 2^32]. */
  integer(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 0x100000000) {
      throw new OptionError(`integer(n) was given n = ${show(n)}: expected an integer in [1, 2^32]`);
    }
    // Values above the largest multiple of n would favour the small remainders.
    const end = 0x100000000 - (0x100000000 % n);
    let value = this.uint32();
    while (value >= end) value = this.uint32();
    return value % n;
  }

  /** Permutes `values` in place, every order equally likely (R. Durstenfeld, 1964). */
  shuffle(values: Uint32Array): void {
    checkArgument("shuffle", "values", values, words);
    for (let i = values.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const value = values[i];
      values[i] = values[j];
      values[j] = value;
    }
  }

  /**
   * An independent stream derived by name. It depends on this stream's origin and on `label` alone, not on how many
   * numbers were drawn: the same seed and labels give the same streams in any order of use.
   */
  fork(label: string): Random {
    checkArgument("fork", "label", label, labelKind);
    const child = new Random(0);
    child.startStream(mix64(this.key ^ mix64(fnv1a64(label) + GOLDEN_GAMMA)));
    return child;
  }

  get state(): RandomState {
    return { key: this.key.toString(16).padStart(16, "0"), words: [...this.words] };
  }

  set state(state: RandomState) {
    const { key, words } = Object(state) as Partial<RandomState>;
    const isWord = (word: unknown) => typeof word === "number" && word >>> 0 === word;
    const validKey = typeof key === "string" && /^[0-9a-f]{16}$/.test(key);
    const validWords = Array.isArray(words) && words.length === 4 && words.every(isWord) && words.some((word) => word !== 0);
    if (!validKey || !validWords) {
      throw new OptionError(
        `random state is ${JSON.stringify(state)}: expected {key: 16 hexadecimal digits, words: four integers in [0, 2^32), not all 0}, as given by Random.state`,
      );
    }
    this.key = BigInt(`0x${key}`);
    this.words.set(words);
  }

  private startStream(key: bigint): void {
    this.key = key;
    for (let i = 0; i < 2; i++) {
      const bits = mix64(key + BigInt(i + 1) * GOLDEN_GAMMA);
      this.words[2 * i] = Number(bits & 0xffffffffn);
      this.words[2 * i + 1] = Number(bits >> 32n);
    }
  }
}

const floats = kind("a Float32Array", (x) => x instanceof Float32Array);
const labelKind = kind("a text", (x) => typeof x === "string");
const words = kind("a Uint32Array", (x) => x instanceof Uint32Array);

const u64 = (value: bigint) => BigInt.asUintN(64, value);

const GOLDEN_GAMMA = 0x9e3779b97f4a7c15n;

/** The output function of SplitMix64 (G. Steele, D. Lea and C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). */
function mix64(value: bigint): bigint {
  let z = u64(value);
  z = u64((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = u64((z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}

/** The 64-bit FNV-1a hash of the text's UTF-8 bytes (G. Fowler, L. Noll and K.-P. Vo; RFC 9923). */
function fnv1a64(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) hash = u64((hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}
