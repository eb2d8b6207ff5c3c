import type { Tensor } from "../device/device.ts";

/** What a layer with weights computes for one sample. */
export interface SynapticOperations {
  /** The layer's name: "0: linear(784, 512)". */
  layer: string;
  /** Multiply-accumulates of the layer without spikes: one dense input, once. */
  macs: number;
  /** Share of the inputs that are not zero, over all steps and samples. */
  density: number;
  /** Operations over all steps, one for each input that is not zero and each connection that it has: steps · macs · density. */
  operations: number;
  /** Whether all inputs were 0 or 1, so that each operation is an addition; otherwise each is a multiplication and an addition. */
  additions: boolean;
}

interface Total {
  macs: number;
  samples: number;
  /** Elements of the inputs. */
  values: number;
  /** Of one sample in one step. */
  size: number;
  /** How many are not zero, and the sum of their squares, of each pass. */
  counts: { nonzero: Tensor; squares: Tensor }[];
}

/** Counts the inputs that are not zero of the layers with weights. */
export class SynapseCounter {
  readonly #totals = new Map<string, Total>();

  /** @param x the layer's input, [T, B, ...], or [1, B, ...] of a layer that runs once for all steps */
  add(layer: string, macs: number, x: Tensor): void {
    const { device: { dense }, shape: [steps, batch], size } = x;
    const total = this.#totals.get(layer) ?? { macs, samples: 0, values: 0, size: size / (steps * batch), counts: [] };
    this.#totals.set(layer, total);
    total.samples += batch;
    total.values += size;
    using bits = dense.packSpikes(x);
    using ones = dense.unpackSpikes(bits, x.shape);
    total.counts.push({ nonzero: dense.sumOfSquares(ones), squares: dense.sumOfSquares(x) });
  }

  async read(): Promise<SynapticOperations[]> {
    const sum = async (tensors: readonly Tensor[]): Promise<number> => {
      const values = await Promise.all(tensors.map(async (tensor) => (await tensor.device.read(tensor))[0]));
      return values.reduce((a, b) => a + b, 0);
    };
    return Promise.all([...this.#totals].map(async ([layer, { macs, samples, values, size, counts }]) => {
      const [nonzero, squares] = await Promise.all([sum(counts.map((each) => each.nonzero)), sum(counts.map((each) => each.squares))]);
      return { layer, macs, density: nonzero / values, operations: (macs * nonzero) / (size * samples), additions: nonzero === squares };
    }));
  }

  dispose(): void {
    for (const { nonzero, squares } of [...this.#totals.values()].flatMap(({ counts }) => counts)) {
      nonzero.dispose();
      squares.dispose();
    }
    this.#totals.clear();
  }
}
