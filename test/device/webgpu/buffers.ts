/** Counts the GPU buffers that are alive. */
export function countBuffers(gpu: GPUDevice): { alive: number; bytes: number } {
  const count = { alive: 0, bytes: 0 };
  const create = gpu.createBuffer.bind(gpu);
  gpu.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    const destroy = buffer.destroy.bind(buffer);
    count.alive++;
    count.bytes += descriptor.size;
    let alive = true;
    buffer.destroy = () => {
      if (alive) [count.alive, count.bytes] = [count.alive - 1, count.bytes - descriptor.size];
      alive = false;
      return destroy();
    };
    return buffer;
  };
  return count;
}
