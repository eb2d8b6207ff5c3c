import type { SampleLayout } from "../samples.ts";
import { lane, types } from "./elements.ts";

/** How a kernel in which neurons read one another lies over threads, and where it finds the weights. */
export interface Mixing {
  readonly layout: SampleLayout;
  /** The weights' variable, and the offset of theirs in it, if they share it. */
  readonly weights: string;
  readonly offset: string | null;
}

/** Weights of so many terms are loaded before the first of them is added. */
const AHEAD = 4;

/** The neurons of a thread, and the product of a sample's spikes with the weights or of its slopes with the transposed weights, over all its threads. */
export function mixingLibrary({ layout: { threads, slots, samples }, weights, offset }: Mixing, direction: "forward" | "backward"): string[] {
  const [V, U, B] = [types.f32(slots), types.u32(slots), slots === 1 ? "bool" : `vec${slots}<bool>`];
  const neurons = threads * slots;
  const words = neurons / 32;
  const lanes = (text: (of: (value: string) => string, i: number) => string): string => Array.from({ length: slots }, (_, i) => text((value) => lane(value, slots, i), i)).join("\n");
  const places = slots === 1 ? "u32(lane)" : `${U}(${Array.from({ length: slots }, (_, i) => `lane + ${i * threads}u`).join(", ")})`;
  const common = [
    `struct Neurons {\n  at: ${U},\n  channel: ${U},\n  live: ${B},\n  lane: u32,\n  sample: u32,\n}`,
    `// A sample's neurons lie ${threads} apart in a thread. A thread without a neuron goes along to the barriers on the first one of all, and writes nothing.
fn neuronsOf(thread: u32) -> Neurons {
  let sample = thread % ${threads * samples}u / ${threads}u;
  let first = thread / ${threads}u * launch.channels;
  let lane = thread % ${threads}u;
  let channel = ${places};
  let live = (channel < ${U}(launch.channels)) & ${B}(first < launch.size);
  return Neurons(select(${U}(0u), first + channel, live), select(${U}(0u), channel, live), live, lane, sample);
}`,
    `fn weightsAt(row: u32, channel: ${U}) -> ${V} {
  return ${V}(${Array.from({ length: slots }, (_, i) => `${weights}[${offset === null ? "" : `${offset} + `}row + ${lane("channel", slots, i)}]`).join(", ")});
}`,
  ];
  /** The sum of `count` terms in their order. */
  const sum = (count: string, row: (k: string) => string, factor: (k: string) => string): string => {
    const each = Array.from({ length: AHEAD }, (_, i) => (i === 0 ? "k" : `k + ${i}u`));
    return `var sum = ${V}(0.0);
  var k = 0u;
  for (; k + ${AHEAD}u <= ${count}; k += ${AHEAD}u) {
${each.map((at, i) => `    let w${i} = weightsAt(${row(at)}, n.channel);`).join("\n")}
${each.map((at, i) => `    sum += ${factor(at)} * w${i};`).join("\n")}
  }
  for (; k < ${count}; k++) { sum += ${factor("k")} * weightsAt(${row("k")}, n.channel); }`;
  };
  const forward = [
    `var<workgroup> fired: array<atomic<u32>, ${2 * samples * words}>;\nvar<workgroup> firedRow: array<u32, ${samples * neurons}>;\nvar<workgroup> firedSpike: array<f32, ${samples * neurons}>;`,
    `// The sum over j of spikes[j] · weights[j, i], in the order of j. The bits of two turns take turns, since those of one are cleared while the other's are read.
fn recurrentProduct(n: Neurons, spikes: ${V}, turn: u32) -> ${V} {
  let bits = (turn * ${samples}u + n.sample) * ${words}u;
  let first = n.sample * ${neurons}u;
  let fires = n.live & (spikes != ${V}(0.0));
${lanes((of) => `  if (${of("fires")}) { atomicOr(&fired[bits + ${of("n.channel")} / 32u], 1u << (${of("n.channel")} % 32u)); }`)}
  workgroupBarrier();
  if (n.lane < ${words}u) { atomicStore(&fired[((1u - turn) * ${samples}u + n.sample) * ${words}u + n.lane], 0u); }
  var count = 0u;
  var place = ${U}(0u);
  for (var w = 0u; w < ${words}u; w++) {
    let word = atomicLoad(&fired[bits + w]);
    place = select(place, ${U}(count) + countOneBits(${U}(word) & ((${U}(1u) << (n.channel % 32u)) - 1u)), n.channel / 32u == ${U}(w));
    count += countOneBits(word);
  }
${lanes((of) => `  if (${of("fires")}) {\n    firedRow[first + ${of("place")}] = ${of("n.channel")} * launch.channels;\n    firedSpike[first + ${of("place")}] = ${of("spikes")};\n  }`)}
  workgroupBarrier();
  ${sum("count", (k) => `firedRow[first + ${k}]`, (k) => `firedSpike[first + ${k}]`)}
  return sum;
}`,
  ];
  const backward = [
    `var<workgroup> slopesOf: array<f32, ${samples * neurons}>;`,
    `// The sum over i of slopes[i] · transposed[i, j], in the order of i.
fn recurrentAdjoint(n: Neurons, slopes: ${V}) -> ${V} {
  let first = n.sample * ${neurons}u;
${lanes((of, i) => `  slopesOf[first + n.lane${i === 0 ? "" : ` + ${i * threads}u`}] = ${of("slopes")};`)}
  workgroupBarrier();
  ${sum("launch.channels", (k) => `${k === "k" ? k : `(${k})`} * launch.channels`, (k) => `slopesOf[first + ${k}]`)}
  workgroupBarrier();
  return sum;
}`,
  ];
  return [...common, ...(direction === "forward" ? forward : backward)];
}
