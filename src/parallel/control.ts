/**
 * What a group needs besides tensors: host bytes between all ranks, and the news of who is gone. Sockets carry it, whatever carries the tensors.
 */
export interface ControlPlane {
  readonly rank: number;
  readonly size: number;
  /** Bytes of any length from each rank to all: one entry for each rank. @throws ParallelError if a rank is lost */
  gather(bytes: Uint8Array): Promise<Uint8Array[]>;
  /** Resolves once all ranks are here. @throws ParallelError if a rank is lost */
  barrier(): Promise<void>;
  /** Rejects with a ParallelError, naming the rank, as soon as one is lost; else stays pending. */
  readonly lost: Promise<never>;
  /** Says at once, without waiting for the event loop, who is lost: "rank 2 (node-b) is lost: …"; undefined while all are here. */
  lostRank(): string | undefined;
  /** Leaves in order: the others see no loss in it. */
  dispose(): Promise<void>;
}
