import type { Device, FusedKernel } from "../device/device.ts";

const [NEURONS, LAUNCHES, BATCH] = [64, 200, 20];

/**
 * What launching a forward kernel takes of the host, µs: the median time of the call, not of the work that it queues. Few neurons, and the device is
 * waited for every few launches, so that no call waits for a full queue.
 */
export async function hostCost(device: Device, kernel: FusedKernel, steps: number): Promise<number> {
  const { checkpointEvery, forward } = kernel.plan;
  const rows = { varying: steps, constant: 1, checkpoint: checkpointEvery === null ? 0 : Math.ceil(steps / checkpointEvery) - 1 };
  const buffers = Object.fromEntries(forward.buffers.map(({ name, time, extent }) => [name, device.zeros([rows[time] * (extent === "neuron" ? NEURONS : 1)])]));
  const times: number[] = [];
  try {
    for (let i = -BATCH; i < LAUNCHES; i++) {
      if (i % BATCH === 0) await device.synchronize();
      const start = performance.now();
      kernel.forward({ steps, size: NEURONS, buffers });
      if (i >= 0) times.push(1000 * (performance.now() - start));
    }
    await device.synchronize();
  } finally {
    for (const tensor of Object.values(buffers)) tensor.dispose();
  }
  return times.sort((a, b) => a - b)[LAUNCHES / 2];
}
