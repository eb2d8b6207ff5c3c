import type { WeightsFile } from "./protocol.ts";

/** The network that this browser trained last. */
export interface KeptNetwork extends WeightsFile {
  /** On the test images at hand, 0 … 1; NaN if it was not tested. */
  accuracy: number;
}

const [DATABASE, STORE, KEY] = ["spikefold playground", "networks", "last"];

/** Keeps a network over reloads. Where the browser keeps nothing (a private window, a full disk), it is lost with the page. */
export const keep = (network: KeptNetwork): Promise<void> => inStore("readwrite", (store) => store.put(network, KEY)).then(() => undefined, () => undefined);

/** The network that was kept, or null. */
export async function findKept(): Promise<KeptNetwork | null> {
  const found = (await inStore("readonly", (store) => store.get(KEY)).catch(() => null)) as Partial<KeptNetwork> | null;
  const { bytes, name, accuracy } = Object(found) as Partial<KeptNetwork>;
  return bytes instanceof Uint8Array && typeof name === "string" && typeof accuracy === "number" ? { bytes, name, accuracy } : null;
}

async function inStore(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest): Promise<unknown> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await result(opening);
  try {
    return await result(act(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

const result = <T>(request: IDBRequest<T>): Promise<T> => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
