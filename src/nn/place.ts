import { freeingMade } from "../device/made.ts";
import { DeviceError } from "../errors.ts";

/** Those whose message says where already. */
const placed = new WeakSet<Error>();

/**
 * Runs `work` of a layer, or of what else `where` says. A DeviceError of it is told with the innermost place, and what was made there until then is freed: out of memory, an
 * update with a smaller batch finds all of it.
 */
export function inPlace<T>(where: string, work: () => T): T {
  const isOwn = (error: unknown): error is DeviceError => error instanceof DeviceError && !placed.has(error);
  try {
    return freeingMade(work, isOwn);
  } catch (error) {
    if (!isOwn(error)) throw error;
    const told = new DeviceError(`${where}: ${error.message}`, { cause: error });
    placed.add(told);
    throw told;
  }
}
