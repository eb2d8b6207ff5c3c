import type { Plan } from "../../fusion/plan.ts";
import { atLevel, carryLines, levelsOf } from "../../fusion/sums.ts";
import { initialState } from "./forward.ts";
import { indent, type Kernel } from "./kernel.ts";

/** Operations of a piece of the trajectory, over all of a thread's neurons, beyond which drivers take seconds to compile it as text without loops. */
const UNROLLED_OPERATIONS = 8192;

/**
 * All steps backward. Where there are states, a piece of the trajectory is recomputed and walked back: all T steps, or K at a time from the
 * checkpoints, the T mod K last ones first. It is text without loops, so that its values stay in registers, unless the neuron's step is so long that
 * this would take too long to compile, or has a product over all neurons: then two loops over arrays.
 * @returns a comment and the statements
 */
export function backwardBody(kernel: Kernel, plan: Plan, steps: number, neurons: string): [comment: string, body: string[]] {
  const { states, recomputed, checkpointEvery, chunk, mix } = plan;
  const { buffers, advance, reverse, epilogue } = plan.backward!;
  const inputs = kernel.varying("in").filter(({ name }) => !name.startsWith("d.")).map(({ name }) => name);
  const gradients = kernel.varying("out").map(({ name }) => name);
  const sums = Object.keys(reverse.results).filter((name) => name.startsWith("sum."));
  const { levels, total } = levelsOf(plan);
  const sum = (name: string, level: number): string => kernel.of(atLevel(name, level));
  const adjoint = (name: string): string => kernel.leaf("adjoint", name);
  const has = (name: string): boolean => buffers.some((buffer) => buffer.name === name);
  const at = (name: string, k: number): string => kernel.names.of(name, String(k));

  const advanceBy = recomputed.length === 0 ? null : kernel.step("advance", "Advanced", "One step forward, for the states.", advance);
  const reverseBy = Object.keys(reverse.results).length === 0 ? null
    : kernel.step("reverse", "Reversed", "One step backward: the adjoints of the states before it, the gradients of its inputs, terms of sums.", reverse, "near");

  /** One step backward, its values in the struct `back`. */
  const backward = (back: string, place: string, state: (name: string) => string, input: (name: string) => string): string[] => (reverseBy === null ? [] : [
    `let ${back} = ${reverseBy((role, name) => (role === "state" ? state(name) : role === "adjoint" ? adjoint(name) : role === "invariant" ? name : role === "seed" ? kernel.load(`d.${name}`, place) : input(name)))};`,
    ...gradients.flatMap((name) => kernel.store(name, place, `${back}.${kernel.of(name)}`)),
    ...sums.map((name) => `${kernel.of(name)} += ${back}.${kernel.of(name)};`),
    ...states.map((name) => `${adjoint(name)} = ${back}.${kernel.of(`adjoint.${name}`)};`),
    ...(mix ? [`${adjoint(mix.state)} += recurrentAdjoint(n, ${back}.${kernel.of(`grad.${mix.input}`)});`] : []),
  ]);

  /** Declares the place of a thread's elements at step `first` (text; null: 0); a sum for each step is cheaper than a product. */
  const start = (first: string | null): string => `var at = ${first === null ? "thread" : `${first} * threads + thread`};`;

  const pieceOf = (first: string | null, count: number): string[] => {
    const operations = kernel.vector * count * (advance.values.length + reverse.values.length);
    return mix || operations > UNROLLED_OPERATIONS ? loops(first, count) : piece(first, count);
  };

  /** As `piece`, with the trajectory in arrays. */
  const loops = (first: string | null, count: number): string[] => {
    const all = (name: string): string => kernel.names.of(name, "all");
    return [
      ...[...recomputed, ...inputs].map((name) => `var ${all(name)}: array<${kernel.V}, ${count}>;`),
      ...recomputed.map((name) => `var ${kernel.names.of(name)} = ${at(name, 0)};`),
      start(first),
      `for (var k = 0u; k < ${count}u; k++) {`,
      ...indent([
        ...recomputed.map((name) => `${all(name)}[k] = ${kernel.names.of(name)};`),
        ...inputs.map((name) => `${all(name)}[k] = ${kernel.load(name, "at")};`),
        `let next = ${advanceBy!((role, name) => (role === "invariant" ? name : `${all(name)}[k]`))};`,
        ...recomputed.map((name) => `${kernel.names.of(name)} = next.${kernel.names.of(name)};`),
        "at += threads;",
      ]),
      "}",
      `for (var left = ${count}u; left > 0u; left--) {`,
      ...indent(["let k = left - 1u;", "at -= threads;", ...backward("back", "at", (name) => `${all(name)}[k]`, (name) => `${all(name)}[k]`)]),
      "}",
    ];
  };

  /** Steps `first` to `first` + count − 1, from the states before them. */
  const piece = (first: string | null, count: number): string[] => {
    const all = Array.from({ length: count }, (_, k) => k);
    return [
      start(first),
      ...all.flatMap((k) => [
        ...inputs.map((name) => `let ${at(name, k)} = ${kernel.load(name, "at")};`),
        ...(k + 1 === count ? [] : [
          `let step${k} = ${advanceBy!((role, name) => (role === "invariant" ? name : at(name, k)))};`,
          ...recomputed.map((name) => `let ${at(name, k + 1)} = step${k}.${kernel.names.of(name)};`),
          "at += threads;",
        ]),
      ]),
      ...all.reverse().flatMap((k) => [...backward(`back${k}`, "at", (name) => at(name, k), (name) => at(name, k)), ...(k > 0 ? ["at -= threads;"] : [])]),
    ];
  };

  /** A piece from step t0 on, which begins at a checkpoint unless it is the first. */
  const checkpointed = (count: number): string[] => [
    ...recomputed.map((name) => `var ${at(name, 0)} = ${initialState(kernel, plan, name)};`),
    "if (t0 > 0u) {",
    ...indent([`let saved = (t0 / ${checkpointEvery}u - 1u) * threads + thread;`, ...recomputed.map((name) => `${at(name, 0)} = ${kernel.load(`checkpoint.${name}`, "saved")};`)]),
    "}",
    ...pieceOf("t0", count),
  ];

  /** Carries the sums on after piece `c`. */
  const carry = (c: string): string[] => (sums.length === 0 ? [] : carryLines(
    (from, to) => sums.flatMap((name) => [`${sum(name, to)} += ${sum(name, from)};`, `${sum(name, from)} = ${kernel.splat(0)};`]),
    (every, lines) => [`if (${c} % ${every}u == 0u) {`, ...indent(lines), "}"],
  ));

  const walk = (): [recomputed: string, lines: string[]] => {
    if (recomputed.length === 0) {
      const carried = carry("piece");
      const endOfPiece = carried.length === 0 ? [] : [`if ((left - 1u) % ${chunk}u == 0u) {`, ...indent([`let piece = (left - 1u) / ${chunk}u;`, ...carried]), "}"];
      return ["", reverseBy === null ? [] : [
        start("launch.steps"),
        "for (var left = launch.steps; left > 0u; left--) {",
        ...indent(["at -= threads;", ...backward("back", "at", String, (name) => kernel.load(name, "at")), ...endOfPiece]),
        "}",
      ]];
    }
    if (checkpointEvery === null) return ["; the trajectory is recomputed whole", [...recomputed.map((name) => `let ${at(name, 0)} = ${initialState(kernel, plan, name)};`), ...pieceOf(null, steps)]];
    const rest = steps % checkpointEvery;
    return [`; the trajectory is recomputed ${checkpointEvery} steps at a time`, [
      `let pieces = launch.steps / ${checkpointEvery}u;`,
      ...(rest === 0 ? [] : ["{", ...indent([`let t0 = ${checkpointEvery}u * pieces;`, ...checkpointed(rest), ...carry("pieces")]), "}"]),
      "for (var left = pieces; left > 0u; left--) {",
      ...indent([`let t0 = ${checkpointEvery}u * (left - 1u);`, ...checkpointed(checkpointEvery), ...carry("(left - 1u)")]),
      "}",
    ]];
  };

  const [pace, lines] = walk();
  const still = buffers.filter(({ direction, time }) => direction === "out" && time === "constant");
  const last = kernel.block(epilogue, "e", "exact", (role, name) => (role === "accumulated" ? sum(`sum.${name}`, total) : role === "adjoint" ? adjoint(name) : name));
  return [`all steps backward; ${neurons}${pace}`, [
    ...states.map((name) => `var ${adjoint(name)} = ${has(`d.final.${name}`) ? kernel.load(`d.final.${name}`, "thread") : kernel.splat(0)};`),
    ...sums.flatMap((name) => levels.map((level) => `var ${sum(name, level)} = ${kernel.splat(0)};`)),
    ...lines,
    ...(still.length > 0 ? [...last.lines, ...still.flatMap(({ name }) => kernel.store(name, "thread", last.results[name]))] : []),
  ]];
}
