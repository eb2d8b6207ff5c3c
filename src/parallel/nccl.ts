import type { Tensor } from "../device/device.ts";
import { CHANNELS, NcclCommunicator } from "../device/cuda/communicator.ts";
import type { CudaDevice } from "../device/cuda/device.ts";
import { Nccl } from "../device/cuda/nccl.ts";
import { ParallelError } from "../errors.ts";
import type { ControlPlane } from "./control.ts";
import type { Pending, ProcessGroup } from "./group.ts";

/** What each rank says of its NCCL. */
interface Offer {
  version?: string;
  /** Rank 0's, in base64. */
  ids?: string[];
  /** Why it has none. */
  error?: string;
}

/**
 * A group whose tensors go from GPU to GPU by NCCL, and all else by the control plane. The order of sums is NCCL's own: `NcclCommunicator` says how far it repeats.
 * @param limit milliseconds until all ranks must be connected
 * @throws ParallelError if a rank has no NCCL or another one, if several have the same GPU, or if not all come in time. The control plane is left as it is: with the process that fails
 * it ends, and tells the others.
 */
export async function openNccl(device: CudaDevice, control: ControlPlane, limit: number): Promise<ProcessGroup> {
  const { rank, size } = control;
  const offers = (await control.gather(encode(offer(device, rank)))).map(decode);
  const lacking = offers.findIndex(({ error }) => error !== undefined);
  if (lacking >= 0) throw new ParallelError(`rank ${lacking} has no NCCL: ${offers[lacking].error}`);
  const other = offers.findIndex(({ version }) => version !== offers[0].version);
  if (other >= 0) throw new ParallelError(`rank 0 has NCCL ${offers[0].version}, rank ${other} NCCL ${offers[other].version}: install the same version for all`);
  const ids = offers[0].ids!.map((id) => Uint8Array.from(Buffer.from(id, "base64")));
  const communicator = await NcclCommunicator.open(device.context, { rank, size, ids, lost: () => control.lostRank(), limit });
  return new NcclGroup(communicator, control);
}

function offer({ context: { driver } }: CudaDevice, rank: number): Offer {
  try {
    const nccl = Nccl.open(driver);
    return { version: nccl.version, ids: rank === 0 ? Array.from({ length: CHANNELS }, () => Buffer.from(nccl.uniqueId()).toString("base64")) : undefined };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

const encode = (value: Offer): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const decode = (bytes: Uint8Array): Offer => JSON.parse(new TextDecoder().decode(bytes)) as Offer;

class NcclGroup implements ProcessGroup {
  readonly rank: number;
  readonly size: number;
  readonly description: string;
  readonly lost: Promise<never>;
  readonly #communicator: NcclCommunicator;
  readonly #control: ControlPlane;

  constructor(communicator: NcclCommunicator, control: ControlPlane) {
    this.rank = control.rank;
    this.size = control.size;
    this.description = `${control.size} processes, NCCL ${communicator.nccl.version}`;
    this.lost = control.lost;
    this.#communicator = communicator;
    this.#control = control;
    // The device is not left to wait for whoever is lost.
    this.lost.catch(() => communicator.isWhole());
  }

  allReduce(tensor: Tensor): Pending {
    return this.#communicator.allReduce(tensor);
  }

  broadcast(tensor: Tensor, from: number): void {
    this.#communicator.broadcast(tensor, from);
  }

  send(tensor: Tensor, to: number): void {
    this.#communicator.send(tensor, to);
  }

  receive(tensor: Tensor, from: number): void {
    this.#communicator.receive(tensor, from);
  }

  gather(bytes: Uint8Array): Promise<Uint8Array[]> {
    return this.#control.gather(bytes);
  }

  barrier(): Promise<void> {
    return this.#control.barrier();
  }

  async dispose(): Promise<void> {
    try {
      await this.#communicator.dispose();
    } finally {
      await this.#control.dispose();
    }
  }
}
