import { DeviceError } from "../../errors.ts";
import type { Driver } from "./driver.ts";
import { type Argument, bind, type Bound } from "./libraries.ts";
import { type Candidate, libraries, openLibrary } from "./search.ts";

/** Functions of NCCL and their parameters, as those of the driver are written. */
export const ncclFunctions = {
  ncclGetVersion: "void *version",
  ncclGetUniqueId: "void *id",
  ncclCommFinalize: "uint64_t communicator",
  ncclCommDestroy: "uint64_t communicator",
  ncclCommAbort: "uint64_t communicator",
  ncclCommGetAsyncError: "uint64_t communicator, void *state",
  ncclAllReduce: "uint64_t from, uint64_t to, size_t count, int type, int operation, uint64_t communicator, uint64_t stream",
  ncclBroadcast: "uint64_t from, uint64_t to, size_t count, int type, int root, uint64_t communicator, uint64_t stream",
  ncclSend: "uint64_t from, size_t count, int type, int peer, uint64_t communicator, uint64_t stream",
  ncclRecv: "uint64_t to, size_t count, int type, int peer, uint64_t communicator, uint64_t stream",
} as const;

/** Constants of nccl.h, under their names there. */
export const ncclConstants = {
  NCCL_UNIQUE_ID_BYTES: 128,
  NCCL_API_MAGIC: 0xcafebeef,
  NCCL_CONFIG_UNDEF_INT: -(2 ** 31),
  ncclUnhandledCudaError: 1,
  ncclSystemError: 2,
  ncclInternalError: 3,
  ncclInvalidArgument: 4,
  ncclInvalidUsage: 5,
  ncclRemoteError: 6,
  ncclInProgress: 7,
  ncclUint8: 1,
  ncclFloat32: 7,
  ncclSum: 0,
} as const;

const C = ncclConstants;

/** ncclConfig_t as NCCL 2.17 laid it out, and its members' offsets: libraries after it leave undefined what they have added to it. */
export const ncclConfig = { version: 2_17_00, bytes: 40, offsets: { size: 0, magic: 8, version: 12, blocking: 16, cgaClusterSize: 20, minCTAs: 24, maxCTAs: 28, netName: 32 } } as const;

export interface ChannelOptions {
  /** The most thread blocks that its work may take of the GPU. Default: NCCL's own. */
  blocks?: number;
}

type Initialise = (communicator: BigUint64Array, size: number, id: { internal: Uint8Array }, rank: number, config: Uint8Array) => number;

/** A call into NCCL that failed, or what went wrong later. */
export class NcclError extends DeviceError {
  /** ncclResult_t. */
  readonly code: number;

  constructor(what: string, code: number, text: string, last: string) {
    super(`cuda: ${what}: ${text.replace(/ \(run with .*\)$/, "")} (${code}). ${last.trim() && `${last.trim().replace(/\.$/, "")}. `}${advice[code] ?? ""} With NCCL_DEBUG=WARN in the environment NCCL says more.`.replaceAll("  ", " "));
    this.code = code;
  }
}

const advice: Readonly<Record<number, string>> = {
  [C.ncclUnhandledCudaError]: "NCCL must be for the driver's CUDA or an older one: nvidia-smi says which that is.",
  [C.ncclSystemError]: "The system refused: containers need room in /dev/shm (--shm-size), and hosts an interface that reaches the others (NCCL_SOCKET_IFNAME).",
  [C.ncclInvalidArgument]: "All ranks must make the same calls in the same order.",
  [C.ncclInvalidUsage]: "Each rank needs a GPU of its own, and NCCL of the same version.",
  [C.ncclRemoteError]: "Another rank has ended, or the network to it.",
};

/** NVIDIA's NCCL, for what several GPUs send one another. */
export class Nccl {
  /** Where the library was found. */
  readonly path: string;
  readonly version: string;
  /** The functions themselves, which return an ncclResult_t. */
  readonly raw: Bound<keyof typeof ncclFunctions>;
  readonly #initialise: Initialise;
  readonly #text: (code: number) => string;
  readonly #last: (communicator: number) => string | null;
  readonly #word = new BigUint64Array(1);

  /** @throws DeviceError that names the package to install if there is no NCCL. */
  static open({ koffi, version, where }: Driver): Nccl {
    return openLibrary(libraries.nccl, koffi, version.major, where, (candidate) => new Nccl(koffi, candidate));
  }

  private constructor(koffi: Driver["koffi"], { path, library }: Candidate) {
    this.path = path;
    this.raw = bind(library, ncclFunctions);
    this.#text = library.func("const char *ncclGetErrorString(int code)");
    this.#last = library.func("const char *ncclGetLastError(uint64_t communicator)");
    const id = koffi.struct({ internal: koffi.array("uint8_t", C.NCCL_UNIQUE_ID_BYTES) });
    this.#initialise = library.func("ncclCommInitRankConfig", "int", ["void *", "int", id, "int", "void *"]);
    this.call("ncclGetVersion", this.#word);
    const version = Number(this.#word[0]);
    this.version = `${Math.floor(version / 10_000)}.${Math.floor(version / 100) % 100}.${version % 100}`;
    if (version < ncclConfig.version) throw new DeviceError(`it is NCCL ${this.version}: 2.17 or newer is needed`);
  }

  /** What the ranks of one communicator must all know: one of them makes it and tells the others. It listens until all have come. */
  uniqueId(): Uint8Array {
    const id = new Uint8Array(C.NCCL_UNIQUE_ID_BYTES);
    this.call("ncclGetUniqueId", id);
    return id;
  }

  /**
   * ncclComm_t of a rank on the current device. It is still in progress: see `state`.
   * @throws NcclError
   */
  begin(id: Uint8Array, rank: number, size: number, { blocks = C.NCCL_CONFIG_UNDEF_INT }: ChannelOptions = {}): number {
    const { bytes, offsets, version } = ncclConfig;
    const config = new Uint8Array(bytes);
    const fields = new DataView(config.buffer);
    fields.setBigUint64(offsets.size, BigInt(bytes), true);
    fields.setUint32(offsets.magic, C.NCCL_API_MAGIC, true);
    fields.setUint32(offsets.version, version, true);
    fields.setInt32(offsets.blocking, 0, true);
    fields.setInt32(offsets.cgaClusterSize, C.NCCL_CONFIG_UNDEF_INT, true);
    fields.setInt32(offsets.minCTAs, C.NCCL_CONFIG_UNDEF_INT, true);
    fields.setInt32(offsets.maxCTAs, blocks, true);
    const communicator = new BigUint64Array(1);
    const code = this.#initialise(communicator, size, { internal: id }, rank, config);
    if (code !== 0 && code !== C.ncclInProgress) throw this.#failure("ncclCommInitRankConfig failed", code);
    return Number(communicator[0]);
  }

  /**
   * Whether what was asked of a communicator has been taken up; false while that goes on.
   * @throws NcclError if something went wrong with it, now or before
   */
  ready(communicator: number): boolean {
    this.#word[0] = 0n;
    this.call("ncclCommGetAsyncError", communicator, this.#word);
    const state = Number(this.#word[0] & 0xffff_ffffn);
    if (state !== 0 && state !== C.ncclInProgress) throw this.#failure("NCCL reports an error", state, communicator);
    return state === 0;
  }

  /** @throws NcclError if the call fails; one that goes on in the background does not. */
  call(name: keyof typeof ncclFunctions, ...args: Argument[]): void {
    const code = this.raw[name](...args);
    if (code !== 0 && code !== C.ncclInProgress) throw this.#failure(`${name} failed`, code);
  }

  #failure(what: string, code: number, communicator = 0): NcclError {
    return new NcclError(what, code, this.#text(code), this.#last(communicator) ?? "");
  }
}
