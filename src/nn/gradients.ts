import type { Device, Tensor } from "../device/device.ts";
import type { Variable } from "./variable.ts";

export interface Gradient {
  readonly tensor: Tensor;
  /** The memory belongs to others too and must not be changed in place. */
  readonly shared: boolean;
}

/**
 * The gradients on their way back, summed as they arrive. That of a varying variable may be [1, B, ...], which then holds at all T steps.
 */
export class Gradients {
  readonly #device: Device;
  readonly #steps: number;
  readonly #entries = new Map<Variable, Gradient>();

  constructor(device: Device, steps: number) {
    this.#device = device;
    this.#steps = steps;
  }

  /** Takes over one gradient for each variable. A tensor that is there twice is shared between them; with `allShared`, all are with others. */
  giveAll(variables: readonly Variable[], tensors: readonly (Tensor | undefined)[], allShared: boolean): void {
    tensors.forEach((tensor, i) => {
      if (!tensor) return;
      const last = tensors.lastIndexOf(tensor) === i;
      const shared = allShared || !last || tensors.indexOf(tensor) !== i;
      if (variables[i].requiresGradient) this.#give(variables[i], { tensor: last ? tensor : tensor.reshape(tensor.shape), shared });
      else if (last) tensor.dispose();
    });
  }

  /** Gives a gradient whose memory stays someone else's; the tensor itself, a view, is taken over. */
  share(variable: Variable, tensor: Tensor): void {
    this.#give(variable, { tensor, shared: true });
  }

  take(variable: Variable): Gradient | undefined {
    const entry = this.#entries.get(variable);
    this.#entries.delete(variable);
    return entry;
  }

  /** As `take`, with a value at each step. */
  takeFull(variable: Variable): Gradient | undefined {
    const entry = this.take(variable);
    return entry && this.#full(variable, entry);
  }

  /** As `takeFull`, in memory of its own. */
  takeOwned(variable: Variable): Tensor | undefined {
    const entry = this.take(variable);
    return entry && this.#owned(variable, entry);
  }

  /** Makes a copy, with a value at each step, of what stays under way. */
  copyOf(variable: Variable): Tensor | undefined {
    const entry = this.#entries.get(variable);
    return entry && this.#owned(variable, { tensor: entry.tensor.reshape(entry.tensor.shape), shared: true });
  }

  dispose(): void {
    this.#entries.forEach(({ tensor }) => tensor.dispose());
    this.#entries.clear();
  }

  #give(variable: Variable, given: Gradient): void {
    const entry = this.#entries.get(variable);
    this.#entries.set(variable, entry ? this.#sum(variable, entry, given) : given);
  }

  #sum(variable: Variable, a: Gradient, b: Gradient): Gradient {
    if (a.tensor.size !== b.tensor.size) return this.#sum(variable, this.#full(variable, a), this.#full(variable, b));
    if (a.shared && b.shared) {
      const sum = this.#device.dense.add(a.tensor, b.tensor);
      for (const { tensor } of [a, b]) tensor.dispose();
      return { tensor: sum, shared: false };
    }
    const [target, other] = a.shared ? [b, a] : [a, b];
    this.#device.dense.addInto(target.tensor, other.tensor, 1);
    other.tensor.dispose();
    return target;
  }

  #copy({ tensor }: Gradient): Gradient {
    const copy = copied(tensor);
    tensor.dispose();
    return { tensor: copy, shared: false };
  }

  #owned(variable: Variable, entry: Gradient): Tensor {
    const full = this.#full(variable, entry);
    return full.shared ? this.#copy(full).tensor : full.tensor;
  }

  #full(variable: Variable, entry: Gradient): Gradient {
    const { tensor } = entry;
    if (variable.time !== "varying" || tensor.shape[0] === this.#steps) return entry;
    const [, ...rest] = tensor.shape;
    const single = tensor.reshape(rest);
    const full = this.#device.dense.repeatFirst(single, this.#steps, 1);
    single.dispose();
    tensor.dispose();
    return { tensor: full, shared: false };
  }
}

export function copied(tensor: Tensor): Tensor {
  const copy = tensor.device.empty(tensor.shape, tensor.dtype);
  tensor.device.copy(tensor, copy);
  return copy;
}
