import { driverConstants } from "./constants.ts";
import type { CudaContext } from "./context.ts";
import type { ChannelOptions, Nccl } from "./nccl.ts";
import { doze } from "./waits.ts";

/** The host looks so many milliseconds without a pause whether NCCL has taken up a call. */
const EAGER_WAIT = 1;

/** A communicator of NCCL with a stream of its own, where its work runs in the order of the calls: after what the device was asked for before, and beside what comes later. */
export class NcclChannel {
  readonly stream: number;
  /** Whether the graph that is being recorded has work of it. */
  recorded = false;
  readonly #context: CudaContext;
  readonly #nccl: Nccl;
  /** Recorded where the channel's work may begin. */
  readonly #asked: number;
  readonly #spare: number[] = [];
  #communicator: number;

  /** Begins a channel: see `ready`. @throws NcclError */
  constructor(context: CudaContext, nccl: Nccl, id: Uint8Array, rank: number, size: number, options?: ChannelOptions) {
    const { driver } = context;
    this.#context = context;
    this.#nccl = nccl;
    this.#communicator = nccl.begin(id, rank, size, options);
    this.stream = driver.get("cuStreamCreate", driverConstants.CU_STREAM_NON_BLOCKING);
    this.#asked = driver.get("cuEventCreate", driverConstants.CU_EVENT_DISABLE_TIMING);
  }

  /** Whether the last call has been taken up. @throws NcclError if something went wrong with the channel, now or before */
  ready(): boolean {
    return this.#nccl.ready(this.#communicator);
  }

  /** Queues a call of NCCL after all that the device was asked for so far. It is taken up in the background: nothing else may be asked of the channel before it is ready. */
  begin(call: (communicator: number, stream: number) => void): void {
    const { driver, stream, capturing } = this.#context;
    driver.call("cuEventRecord", this.#asked, stream);
    driver.call("cuStreamWaitEvent", this.stream, this.#asked, 0);
    if (capturing) this.recorded = true;
    call(this.#communicator, this.stream);
  }

  /** Holds the host up until the last call has been taken up. @param check is called meanwhile, to throw what it is to end with */
  settle(check: () => void): void {
    const eagerUntil = performance.now() + EAGER_WAIT;
    while (!this.ready()) {
      if (performance.now() < eagerUntil) continue;
      check();
      doze();
    }
  }

  /** An event after all work of the channel so far, to be freed. */
  mark(): number {
    const { driver } = this.#context;
    const event = this.#spare.pop() ?? driver.get("cuEventCreate", driverConstants.CU_EVENT_DISABLE_TIMING);
    driver.call("cuEventRecord", event, this.stream);
    return event;
  }

  /** Has the device's later work come after a mark. */
  join(event: number): void {
    const { driver, stream } = this.#context;
    driver.call("cuStreamWaitEvent", stream, event, 0);
  }

  /** What was recorded comes before all that follows in the graph. Nothing fails here: what is wrong with the recording is told by its end. */
  endRecording(): void {
    if (!this.recorded) return;
    this.recorded = false;
    const { driver: { raw }, stream } = this.#context;
    raw.cuEventRecord(this.#asked, this.stream);
    raw.cuStreamWaitEvent(stream, this.#asked, 0);
  }

  free(event: number): void {
    this.#spare.push(event);
  }

  /** Begins to leave: all that was queued is done before. See `ready`. */
  finalize(): void {
    this.#nccl.call("ncclCommFinalize", this.#communicator);
  }

  /** Ends what it has queued, done or not, and gives the communicator back. Nothing fails here. */
  abort(): void {
    if (this.#communicator !== 0) this.#nccl.raw.ncclCommAbort(this.#communicator);
    this.#communicator = 0;
  }

  /** Waits for what an abort leaves under way. */
  rest(): void {
    this.#context.driver.raw.cuStreamSynchronize(this.stream);
  }

  /** Gives all back; the communicator too, if it was finalized. */
  dispose(): void {
    const { raw } = this.#context.driver;
    if (this.#communicator !== 0) this.#nccl.raw.ncclCommDestroy(this.#communicator);
    this.#communicator = 0;
    for (const event of [this.#asked, ...this.#spare.splice(0)]) raw.cuEventDestroy_v2(event);
    raw.cuStreamDestroy_v2(this.stream);
  }
}
