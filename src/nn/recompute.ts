import "../dispose.ts";
import { OptionError } from "../errors.ts";
import type { Device } from "../device/device.ts";
import type { Buffer, Layer, LayerLike } from "./layer.ts";
import type { OperationOutput } from "./operation.ts";
import { asLayer, Sequential } from "./sequential.ts";
import type { Tape } from "./tape.ts";
import type { Variable } from "./variable.ts";

/**
 * Layers one after the other, of which training keeps the input alone (spikes as bits): what is inside is freed after the forward pass and computed again in the
 * backward pass. Gradients, running statistics and dropout are those of `sequential`, bit for bit. Best end it with a spiking layer, whose spikes take the
 * 32nd part of other values.
 * @throws OptionError for what is no layer.
 */
export const recompute = (...layers: LayerLike[]): Layer => new Recompute(layers.map((layer, i) => asLayer(layer, `recompute: layer ${i}`)), "recompute");

/** To weights and runs it is a `sequential`: it computes the same. */
class Recompute extends Sequential {
  override get description(): string {
    return "recompute";
  }

  override readableStates(): readonly string[] {
    return [];
  }

  protected override run(tape: Tape, x: Variable): Variable {
    return runAgain(tape, x, this.layers(), (inner, input) => super.run(inner, input));
  }
}

/**
 * Runs a model's layers in pieces that are recomputed, each up to a layer that ends in spikes. The last piece is not: its backward pass comes right after.
 * @throws OptionError for a body that cannot be cut.
 */
export function recomputing(body: Layer): (tape: Tape, x: Variable) => Variable {
  const pieces = piecesOf(body);
  const last = pieces.length - 1;
  return (tape, x) => !tape.training ? body.forward(tape, x) : pieces.reduce((input, piece, i) => {
    const run = (inner: Tape, given: Variable): Variable => piece.reduce((y, layer) => layer.forward(inner, y), given);
    return i === last || piece.some((layer) => layer instanceof Recompute) ? run(tape, input) : tape.within(piece[0].name, () => runAgain(tape, input, piece, run));
  }, x);
}

function piecesOf(body: Layer): Layer[][] {
  if (!(body instanceof Sequential)) throw new OptionError(`Model.build: recompute: true cuts a sequential(…) network into pieces, the body is ${body.description}: put recompute(…) around parts of it`);
  const pieces: Layer[][] = [[]];
  for (const layer of chain(body)) {
    const alone = layer instanceof Recompute;
    if (alone && pieces[pieces.length - 1].length > 0) pieces.push([]);
    pieces[pieces.length - 1].push(layer);
    if (alone || layer.endsInSpikes()) pieces.push([]);
  }
  const tail = pieces.pop()!;
  // What reads membranes must find the spiking layer itself; and there is nothing to win at the end.
  if (pieces.length > 0) pieces[pieces.length - 1].push(...tail);
  return pieces.length > 0 ? pieces : [tail];
}

const chain = (layer: Layer): Layer[] => (layer instanceof Sequential && !(layer instanceof Recompute) ? layer.layers().flatMap(chain) : [layer]);

/** Runs layers so that the tape keeps their input and output alone. */
function runAgain(tape: Tape, x: Variable, layers: readonly Layer[], run: (tape: Tape, x: Variable) => Variable): Variable {
  const { carry } = tape;
  if (!tape.training || (carry && !carry.again) || x.time === "none") return run(tape, x);
  const input = x.plain();
  const timeConstant = input.time === "constant";
  const drawing = tape.drawingAgain();
  const output = leaving(tape.fork(), (first) => run(first, first.input(input.value, { timeConstant })));
  if (!tape.reads(input)) input.pack();
  const [y] = tape.record({
    inputs: [input],
    outputs: [output],
    learns: layers.flatMap((layer) => layer.parameters()),
    constantGradient: true,
    always: carry !== undefined,
    backward([g]) {
      using again = tape.fork(drawing());
      using given = input.unpacked();
      const twin = again.input(given, { timeConstant, requiresGradient: input.requiresGradient });
      const y = keeping(tape.device, layers.flatMap((layer) => layer.buffers()), () => run(again, twin));
      // Neurons whose spikes tell the loss nothing may still be the ones before others in time.
      using none = g ? undefined : tape.device.zeros(y.value.shape);
      const [dx] = again.backward(y, g ?? none!, input.requiresGradient ? [twin] : []);
      return [dx ?? undefined];
    },
  });
  return y;
}

/** What `work` returns, without the rest of its tape. */
function leaving(tape: Tape, work: (tape: Tape) => Variable): OperationOutput {
  using first = tape;
  const { shape, time, value, isSpikes } = work(first).plain();
  return { value: value.reshape(value.shape), shape, time, isSpikes };
}

/** Runs `work` and puts back what buffers held before: running statistics have seen the batch already. */
function keeping<T>(device: Device, buffers: readonly Buffer[], work: () => T): T {
  const before = buffers.map(({ value }) => {
    const copy = device.empty(value.shape, value.dtype);
    device.copy(value, copy);
    return copy;
  });
  try {
    return work();
  } finally {
    buffers.forEach(({ value }, i) => device.copy(before[i], value));
    for (const tensor of before) tensor.dispose();
  }
}
