import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { standIn } from "./build.mjs";
import { address, ILLEGAL_ADDRESS, LAUNCH_FAILED, MISALIGNED_ADDRESS, ok, results, Testbed } from "./testbed.ts";

const library = standIn();
const f32 = (...values: number[]) => Float32Array.from(values);
const i32 = (...values: number[]) => Int32Array.from(values);
const u64 = (value: number) => address(value);

const source = `
extern "C" __global__ void saxpy(float* __restrict__ y, const float* __restrict__ x, const float a, const int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] += a * x[i];
}
extern "C" __global__ void writeByte(unsigned char* y, const long long at) { y[at] = 1; }
extern "C" __global__ void readByte(unsigned char* y, const unsigned char* x, const long long at) { y[0] = x[at]; }
extern "C" __global__ void write16(char* y, const long long at) { *(float4*)(y + at) = make_float4(1, 2, 3, 4); }
extern "C" __global__ void copyStruct(char* y, const char* x) { struct Big { int at[9]; }; *(Big*)y = *(const Big*)x; }
extern "C" __global__ void constants(float* y, const int at) {
  const float table[4] = {1, 2, 3, 4};
  y[0] = table[at];
}
extern "C" __global__ void __launch_bounds__(64) bounded(int* y, const int a, const int b) { y[0] = a / b; }
extern "C" __global__ void increment(int* y) { *y += 1; }
`;

const [CAPTURE_INVALIDATED, CAPTURE_UNJOINED, CAPTURE_ISOLATION, CAPTURED_EVENT] = [901, 904, 905, 907];

describe.skipIf(library === null)("the stand-in for CUDA", () => {
  let bed: Testbed;
  let cuda: Testbed["cuda"];
  let module: number;
  beforeEach(() => {
    bed = new Testbed(library!);
    cuda = bed.cuda;
    module = bed.module(source);
  });
  afterEach(() => bed.cuda.reset());

  const launch = (name: string, ...parameters: Parameters<ReturnType<Testbed["kernel"]>>[2]) => bed.kernel(module, name)(1, 1, parameters);

  it("runs every thread of every block", () => {
    const x = Float32Array.from({ length: 1000 }, (_, i) => i);
    const at = [bed.upload(new Float32Array(1000).fill(1)), bed.upload(x)];
    ok(bed.kernel(module, "saxpy")(8, 128, [...at.map(address), f32(0.5), i32(1000)]));
    expect(bed.download(at[0], new Float32Array(1000))).toEqual(x.map((value) => 1 + 0.5 * value));
    expect(cuda.launches()).toBe(1);
  });

  it("pretends to be what the environment says", () => {
    const given = { STAND_IN_DEVICES: "3", STAND_IN_DRIVER_VERSION: "11080", STAND_IN_NVRTC_VERSION: "12060" };
    Object.assign(process.env, given);
    try {
      expect(results(1, (count) => cuda.cuDeviceGetCount(count))).toEqual([3]);
      expect(results(1, (version) => cuda.cuDriverGetVersion(version))).toEqual([11080]);
      expect(results(2, (major, minor) => cuda.nvrtcVersion(major, minor))).toEqual([12, 6]);
      process.env.STAND_IN_DEVICES = "0";
      expect(cuda.cuInit(0)).toBe(100);
    } finally {
      for (const name of Object.keys(given)) delete process.env[name];
    }
    expect([75, 76].flatMap((attribute) => results(1, (value) => cuda.cuDeviceGetAttribute(value, attribute, 1)))).toEqual([9, 0]);
    expect(cuda.cuDeviceGetAttribute([0], 75, 2)).toBe(101);
  });

  it("runs threads in the other order when asked", () => {
    const last = bed.kernel(bed.module(`extern "C" __global__ void last(int* y) { *y = blockIdx.x * blockDim.x + threadIdx.x; }`), "last");
    const y = bed.alloc(4);
    const run = () => {
      ok(last(3, 5, [u64(y)]));
      return bed.download(y, i32(-1))[0];
    };
    expect(run()).toBe(14);
    process.env.STAND_IN_ORDER = "reversed";
    try {
      expect(run()).toBe(0);
    } finally {
      delete process.env.STAND_IN_ORDER;
    }
  });

  describe("memory", () => {
    it.each([1, 4, 15, 16, 100, 4096, 65536, 65537])("faults on the first byte past either end of %i bytes, and on no byte between", (bytes) => {
      for (const [at, right] of [[0, true], [bytes - 1, true], [bytes, false], [-1, false]] as const) {
        for (const kernel of ["writeByte", "readByte"]) {
          if (kernel === "readByte") ok(launch(kernel, u64(bed.alloc(1)), u64(bed.alloc(bytes)), BigInt64Array.of(BigInt(at)) as never));
          else ok(launch(kernel, u64(bed.alloc(bytes)), BigInt64Array.of(BigInt(at)) as never));
          expect(bed.synchronize(), `${kernel} at ${at}`).toBe(right ? 0 : ILLEGAL_ADDRESS);
          if (right) continue;
          expect(cuda.lastFault()).toMatch(new RegExp(`^kernel ${kernel}: ${kernel.slice(0, -4)} of 1 byte, ${at < 0 ? "1 byte before" : "0 bytes past the end of"} device 0, block \\d+ of ${bytes} bytes?; block \\(0, 0, 0\\), thread \\(0, 0, 0\\)$`));
          bed = new Testbed(library!);
          module = bed.module(source);
        }
      }
    });

    it("faults on an access that begins inside and ends outside", () => {
      ok(launch("write16", u64(bed.alloc(28)), BigInt64Array.of(16n) as never));
      expect(bed.synchronize()).toBe(ILLEGAL_ADDRESS);
      expect(cuda.lastFault()).toContain("past the end of it");
    });

    it("checks copies of structures", () => {
      ok(launch("copyStruct", u64(bed.alloc(36)), u64(bed.alloc(35))));
      expect(bed.synchronize()).toBe(ILLEGAL_ADDRESS);
      expect(cuda.lastFault()).toContain("read");
    });

    it("faults on freed memory", () => {
      const at = bed.alloc(64);
      ok(cuda.cuMemFree(at));
      ok(launch("writeByte", u64(at), u64(3)));
      expect(bed.synchronize()).toBe(ILLEGAL_ADDRESS);
      expect(cuda.lastFault()).toContain("offset 3 of device 0, block 1 of 64 bytes, which is freed".replace("block 1", cuda.lastFault().match(/block \d+/)![0]));
    });

    it("frees in stream order: what came before may still use the memory, what comes after may not", () => {
      const [at] = results(1, (place) => cuda.cuMemAllocAsync(place, 64, bed.stream));
      ok(launch("writeByte", u64(at), u64(3)));
      ok(cuda.cuMemFreeAsync(at, bed.stream));
      ok(bed.synchronize());
      ok(launch("writeByte", u64(at), u64(3)));
      expect(bed.synchronize()).toBe(ILLEGAL_ADDRESS);
    });

    it("refuses to free twice, or what was never allocated", () => {
      const at = bed.alloc(64);
      expect(cuda.cuMemFree(at + 1)).toBe(1);
      ok(cuda.cuMemFree(at));
      expect(cuda.cuMemFree(at)).toBe(1);
      expect(cuda.cuMemFreeAsync(bed.alloc(8), bed.stream)).toBe(1);
    });

    it.each([["null", 0n], ["an address of the host", BigInt(0x5000_0000)]])("faults on %s", (_, at) => {
      ok(launch("writeByte", BigUint64Array.of(at) as never, u64(0)));
      expect(bed.synchronize()).toBe(ILLEGAL_ADDRESS);
    });

    it("faults on memory of another device", () => {
      bed.select(1);
      const elsewhere = bed.alloc(16);
      bed.select(0);
      ok(launch("writeByte", u64(elsewhere), u64(0)));
      expect(bed.synchronize()).toBe(ILLEGAL_ADDRESS);
      expect(cuda.lastFault()).toContain("by device 0");
    });

    it("refuses copies and fills that reach past a block", () => {
      const at = bed.alloc(16);
      const [host] = [new Uint8Array(32)];
      expect(cuda.cuMemcpyHtoDAsync(at, host, 17, bed.stream)).toBe(1);
      expect(cuda.cuMemcpyDtoHAsync(host, at, 17, bed.stream)).toBe(1);
      expect(cuda.cuMemcpyDtoDAsync(bed.alloc(32), at, 17, bed.stream)).toBe(1);
      expect(cuda.cuMemsetD8Async(at, 0, 17, bed.stream)).toBe(1);
      expect(cuda.cuMemsetD32Async(at, 0, 5, bed.stream)).toBe(1);
      ok(cuda.cuMemsetD32Async(at, 7, 4, bed.stream));
      expect(bed.download(at, new Int32Array(4))).toEqual(i32(7, 7, 7, 7));
    });

    it("is not zero when new: floats are NaN", () => {
      expect(bed.download(bed.alloc(8), new Float32Array(2))).toEqual(f32(NaN, NaN));
    });

    it("runs out", () => {
      process.env.STAND_IN_MEMORY = "1000";
      try {
        expect(results(2, (free, total) => cuda.cuMemGetInfo(free, total))).toEqual([1000, 1000]);
        const at = bed.alloc(600);
        expect(cuda.cuMemAlloc([0], 401)).toBe(2);
        expect(results(2, (free, total) => cuda.cuMemGetInfo(free, total))).toEqual([400, 1000]);
        ok(cuda.cuMemFree(at));
        ok(cuda.cuMemFree(bed.alloc(1000)));
      } finally {
        delete process.env.STAND_IN_MEMORY;
      }
    });

    it("knows what was not given back", () => {
      bed.alloc(40);
      expect(cuda.bytesInUse(0)).toBe(40);
      expect(cuda.leaks()).toMatch(/^device 0: block \d+ of 40 bytes\n/);
      ok(cuda.cuModuleUnload(module));
      ok(cuda.cuStreamDestroy(bed.stream));
      ok(cuda.cuDevicePrimaryCtxRelease(0));
      expect(cuda.bytesInUse(0)).toBe(0);
      expect(cuda.leaks()).toMatch(/^device 0: block \d+ of 40 bytes\n$/);
      cuda.reset();
      expect(cuda.leaks()).toBe("");
    });
  });

  describe("kernels", () => {
    it("fault on misaligned vectors", () => {
      ok(launch("write16", u64(bed.alloc(64)), u64(4)));
      expect(bed.synchronize()).toBe(MISALIGNED_ADDRESS);
      expect(cuda.lastFault()).toMatch(/4 past a multiple of 16, which its type needs \(test\.cu:8\)/);
    });

    it("fault on an index outside an array of their own", () => {
      const y = bed.alloc(4);
      ok(launch("constants", u64(y), i32(3)));
      expect(bed.download(y, new Float32Array(1))).toEqual(f32(4));
      ok(launch("constants", u64(y), i32(4)));
      expect(bed.synchronize()).toBe(LAUNCH_FAILED);
      expect(cuda.lastFault()).toMatch(/index 4 is outside an array/);
    });

    it("fault on division by zero", () => {
      ok(launch("bounded", u64(bed.alloc(4)), i32(1), i32(0)));
      expect(bed.synchronize()).toBe(LAUNCH_FAILED);
    });

    it("make every later call fail once one has failed, until the context is gone", () => {
      const at = bed.alloc(4);
      ok(launch("writeByte", u64(0), u64(0)));
      ok(launch("increment", u64(at)));
      expect(bed.synchronize()).toBe(ILLEGAL_ADDRESS);
      expect(cuda.cuMemAlloc([0], 4)).toBe(ILLEGAL_ADDRESS);
      expect(cuda.cuMemFree(at)).toBe(ILLEGAL_ADDRESS);
      expect(launch.bind(null, "increment", u64(at))).toThrow("700");
      ok(cuda.cuDevicePrimaryCtxRelease(0));
      expect(cuda.leaks()).toBe("");
      bed = new Testbed(library!);
      bed.alloc(4);
    });

    it("refuse blocks and grids that are too large", () => {
      const at = u64(bed.alloc(4));
      const bounded = bed.kernel(module, "bounded");
      expect(bounded(1, 65, [at, i32(1), i32(1)])).toBe(701);
      expect(bounded(1, 1025, [at, i32(1), i32(1)])).toBe(1);
      expect(bounded(0, 1, [at, i32(1), i32(1)])).toBe(1);
      expect(results(1, (value) => cuda.cuFuncGetAttribute(value, 0, bed.function(module, "bounded")))).toEqual([64]);
    });

    it("that have gone are not launched", () => {
      const increment = bed.kernel(module, "increment");
      ok(cuda.cuModuleUnload(module));
      expect(increment(1, 1, [u64(0)])).toBe(400);
      expect(cuda.cuModuleUnload(module)).toBe(400);
    });
  });

  describe("threads that wait for one another", () => {
    const blockSum = `extern "C" __global__ void blockSum(float* y, const float* x) {
      __shared__ float partial[256];
      partial[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
      for (int half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
      }
      if (threadIdx.x == 0) y[blockIdx.x] = partial[0];
    }
    extern "C" __global__ void warpSum(float* y, const float* x) {
      extern __shared__ float sums[];
      float sum = x[blockIdx.x * blockDim.x + threadIdx.x];
      for (int delta = 16; delta > 0; delta /= 2) sum += __shfl_down_sync(0xffffffffu, sum, delta);
      if ((threadIdx.x & 31) == 0) sums[threadIdx.x / 32] = sum;
      __syncthreads();
      if (threadIdx.x == 0) {
        for (int w = 1; w < (blockDim.x + 31) / 32; ++w) sum += sums[w];
        y[blockIdx.x] = sum;
      }
    }
    extern "C" __global__ void unwritten(float* y) { __shared__ float value; __syncthreads(); y[0] = value; }
    extern "C" __global__ void ballot(unsigned int* y) { const unsigned int votes = __ballot_sync(0xffffffffu, threadIdx.x % 3 == 0); if (threadIdx.x == 0) *y = votes; }
    extern "C" __global__ void leavesEarly() { if (threadIdx.x == 3) return; __syncthreads(); }`;

    it("reduce over blocks and warps", () => {
      const summing = bed.module(blockSum);
      const x = Float32Array.from({ length: 3 * 256 }, (_, i) => i % 7);
      const input = bed.upload(x);
      const y = bed.alloc(12);
      const sums = f32(...[0, 1, 2].map((block) => x.slice(256 * block, 256 * (block + 1)).reduce((a, b) => a + b)));
      ok(bed.kernel(summing, "blockSum")(3, 256, [u64(y), u64(input)]));
      expect(bed.download(y, new Float32Array(3))).toEqual(sums);
      ok(cuda.cuMemsetD8Async(y, 0, 12, bed.stream));
      ok(bed.kernel(summing, "warpSum")(3, 256, [u64(y), u64(input)], { shared: 32 }));
      expect(bed.download(y, new Float32Array(3))).toEqual(sums);
      ok(bed.kernel(summing, "ballot")(1, 32, [u64(y)]));
      expect(bed.download(y, new Uint32Array(1))[0]).toBe(0b01001001001001001001001001001001);
    });

    it("find shared memory unwritten", () => {
      const y = bed.alloc(4);
      ok(bed.kernel(bed.module(blockSum), "unwritten")(1, 1, [u64(y)]));
      expect(bed.download(y, new Float32Array(1))).toEqual(f32(NaN));
    });

    it("fault outside the shared memory of the launch", () => {
      ok(bed.kernel(bed.module(blockSum), "warpSum")(1, 256, [u64(bed.alloc(4)), u64(bed.alloc(1024))], { shared: 28 }));
      expect(bed.synchronize()).toBe(ILLEGAL_ADDRESS);
    });

    it("fault where one of them never comes", () => {
      ok(bed.kernel(bed.module(blockSum), "leavesEarly")(1, 32, []));
      expect(bed.synchronize()).toBe(LAUNCH_FAILED);
      expect(cuda.lastFault()).toMatch(/1 of 32 threads have ended/);
    });
  });

  describe("streams", () => {
    it("hold work back until something waits for it", () => {
      const at = bed.upload(i32(5));
      const locked: [unknown] = [null];
      ok(cuda.cuMemAllocHost(locked as never, 4));
      ok(launch("increment", u64(at)));
      ok(cuda.cuMemcpyDtoHAsync(locked[0], at, 4, bed.stream));
      ok(cuda.cuMemcpyHtoDAsync(at, i32(10), 4, bed.stream));
      const back = () => bed.download(bed.upload(i32(0)), i32(0));
      expect(back()).toEqual(i32(0));
      expect(bed.download(at, i32(0))).toEqual(i32(10));
      ok(cuda.cuMemcpyHtoDAsync(at, locked[0], 4, bed.stream));
      expect(bed.download(at, i32(0))).toEqual(i32(6));
      ok(cuda.cuMemFreeHost(locked[0]));
    });

    it("measure time between events that were reached", () => {
      const [a, b] = [0, 1].map(() => results(1, (event) => cuda.cuEventCreate(event, 0))[0]);
      ok(cuda.cuEventRecord(a, bed.stream));
      ok(cuda.cuEventRecord(b, bed.stream));
      expect(cuda.cuEventElapsedTime([0], a, b)).toBe(600);
      ok(cuda.cuEventSynchronize(b));
      expect(results(1, (time) => cuda.cuEventElapsedTime(time, a, b))[0]).toBeGreaterThanOrEqual(0);
    });

    it("record work as a graph, which runs again as often as it is launched", () => {
      const at = bed.upload(i32(0));
      ok(bed.synchronize());
      const before = cuda.launches();
      ok(cuda.cuStreamBeginCapture(bed.stream, 0));
      ok(launch("increment", u64(at)));
      ok(launch("increment", u64(at)));
      const [graph] = results(1, (place) => cuda.cuStreamEndCapture(bed.stream, place));
      expect(bed.download(at, i32(-1))).toEqual(i32(0));
      const [executable] = results(1, (place) => cuda.cuGraphInstantiate(place, graph, 0));
      ok(cuda.cuGraphDestroy(graph));
      for (let n = 0; n < 3; n++) ok(cuda.cuGraphLaunch(executable, bed.stream));
      expect(bed.download(at, i32(-1))).toEqual(i32(6));
      expect(Number(cuda.launches()) - Number(before)).toBe(6);
      ok(cuda.cuMemFree(at));
      ok(cuda.cuGraphLaunch(executable, bed.stream));
      expect(bed.synchronize()).toBe(ILLEGAL_ADDRESS);
    });

    it("refuse to allocate or wait while they record", () => {
      ok(cuda.cuStreamBeginCapture(bed.stream, 0));
      expect(cuda.cuMemAlloc([0], 4)).toBe(900);
      expect(cuda.cuStreamEndCapture(bed.stream, [0])).toBe(901);
      ok(cuda.cuStreamBeginCapture(bed.stream, 0));
      expect(bed.synchronize()).toBe(900);
      expect(cuda.cuStreamEndCapture(bed.stream, [0])).toBe(901);
    });
  });

  describe("several streams", () => {
    const event = () => results(1, (place) => bed.cuda.cuEventCreate(place, 2))[0];
    const stream = () => results(1, (place) => bed.cuda.cuStreamCreate(place, 1))[0];
    const word = () => bed.upload(Uint32Array.of(0));
    const fill = (at: number, value: number, on: number) => ok(bed.cuda.cuMemsetD32Async(at, value, 1, on));
    const copy = (to: number, from: number, on: number) => ok(bed.cuda.cuMemcpyDtoDAsync(to, from, 4, on));
    const read = (at: number) => bed.download(at, new Uint32Array(1))[0];

    it("wait for one another's events as they were recorded last before", () => {
      const [side, done, a, b] = [stream(), event(), word(), word()];
      ok(bed.synchronize());
      fill(a, 1, side);
      ok(bed.cuda.cuEventRecord(done, side));
      ok(bed.cuda.cuStreamWaitEvent(bed.stream, done, 0));
      // Later work of the other stream, and a later record, need not be waited for.
      fill(a, 2, side);
      ok(bed.cuda.cuEventRecord(done, side));
      copy(b, a, bed.stream);
      expect(read(b)).toBe(1);
      ok(bed.cuda.cuStreamSynchronize(side));
      expect(read(a)).toBe(2);
    });

    it("are recorded together where events join them, and run in that order at each launch", () => {
      const [side, out, back, a, b] = [stream(), event(), event(), word(), word()];
      ok(bed.synchronize());
      ok(bed.cuda.cuStreamBeginCapture(bed.stream, 2));
      fill(a, 5, bed.stream);
      ok(bed.cuda.cuEventRecord(out, bed.stream));
      ok(bed.cuda.cuStreamWaitEvent(side, out, 0));
      copy(b, a, side);
      ok(bed.cuda.cuEventRecord(back, side));
      ok(bed.cuda.cuStreamWaitEvent(bed.stream, back, 0));
      fill(a, 6, bed.stream);
      const [graph] = results(1, (place) => bed.cuda.cuStreamEndCapture(bed.stream, place));
      const [executable] = results(1, (place) => bed.cuda.cuGraphInstantiate(place, graph, 0));
      for (let i = 0; i < 2; i++) {
        fill(b, 0, bed.stream);
        ok(bed.cuda.cuGraphLaunch(executable, bed.stream));
        expect([read(a), read(b)]).toEqual([6, 5]);
      }
      // The other stream is its own again.
      fill(a, 7, side);
      ok(bed.cuda.cuStreamSynchronize(side));
      expect(read(a)).toBe(7);
      expect(bed.cuda.cuStreamWaitEvent(side, back, 0)).toBe(CAPTURED_EVENT);
    });

    it("cannot be recorded with ends that are not joined, or with what was queued outside", () => {
      const [side, out, a] = [stream(), event(), word()];
      ok(bed.synchronize());
      ok(bed.cuda.cuStreamBeginCapture(bed.stream, 2));
      ok(bed.cuda.cuEventRecord(out, bed.stream));
      ok(bed.cuda.cuStreamWaitEvent(side, out, 0));
      fill(a, 1, side);
      expect(bed.cuda.cuStreamEndCapture(bed.stream, [0])).toBe(CAPTURE_UNJOINED);
      ok(bed.cuda.cuEventRecord(out, side));
      ok(bed.cuda.cuStreamBeginCapture(bed.stream, 2));
      expect(bed.cuda.cuStreamWaitEvent(bed.stream, out, 0)).toBe(CAPTURE_ISOLATION);
      expect(bed.cuda.cuStreamEndCapture(bed.stream, [0])).toBe(CAPTURE_INVALIDATED);
    });
  });

  describe("compilation", () => {
    it("gives the log of a source that does not compile", () => {
      expect(() => bed.module(`extern "C" __global__ void f(float* y) {\n  y[0] = nothing;\n}`)).toThrow(/test\.cu:2:10: error: .*nothing/);
      expect(() => bed.module("#include <math.h>")).toThrow(/math\.h/);
    });

    it("contracts to fused multiply-adds unless told not to, as NVRTC does", () => {
      const muladd = `extern "C" __global__ void f(float* y, const float a, const float b, const float c) { y[0] = a * b + c; }`;
      const y = bed.alloc(4);
      const run = (options: string[]) => {
        ok(bed.kernel(bed.module(muladd, options), "f")(1, 1, [u64(y), f32(1 + 2 ** -12), f32(1 + 2 ** -12), f32(-1 - 2 ** -11)]));
        return bed.download(y, f32(0))[0];
      };
      expect(run(["--fmad=false"])).toBe(0);
      expect(run([])).toBe(2 ** -24);
    });

    it("leaves accesses unchecked when asked, also in kernels that were compiled checked before", () => {
      const names = (image: Buffer) => image.includes("__asan_store");
      expect(names(bed.image(source))).toBe(true);
      process.env.STAND_IN_CHECKS = "off";
      try {
        expect(names(bed.image(source))).toBe(false);
        const y = bed.upload(f32(1, 2));
        ok(bed.kernel(bed.load(bed.image(source)), "saxpy")(1, 2, [u64(y), u64(bed.upload(f32(3, 4))), f32(2), i32(2)]));
        expect(bed.download(y, f32(0, 0))).toEqual(f32(7, 10));
      } finally {
        delete process.env.STAND_IN_CHECKS;
      }
      expect(names(bed.image(source))).toBe(true);
    });

    it("is done once for one source, from one process to the next", () => {
      const kept = `${library}.kernels`;
      const unlike = `extern "C" __global__ void f(float* y) { y[0] = ${Math.random()}f; }`;
      const [first, second] = [0, 1].map(() => {
        const start = performance.now();
        const image = bed.image(unlike);
        return { image, took: performance.now() - start };
      });
      expect(second.image.equals(first.image)).toBe(true);
      expect(second.took).toBeLessThan(first.took / 4);
      const files = readdirSync(kept).map((name) => join(kept, name)).filter((file) => readFileSync(file).includes(unlike));
      expect(files).toHaveLength(1);
      rmSync(files[0]);
    });

    it("refuses options that NVRTC does not have, and code for other devices", () => {
      expect(() => bed.module(source, ["-O3"])).toThrow(/unrecognized option -O3/);
      expect(() => bed.module(source, ["--gpu-architecture=sm_100"])).toThrow("209");
    });

    it("finds kernels by their C names only", () => {
      const other = bed.module(`__global__ void mangled() {}\nextern "C" __global__ void plain() {}`);
      ok(bed.kernel(other, "plain")(1, 1, []));
      expect(cuda.cuModuleGetFunction([0], other, "mangled")).toBe(500);
    });
  });
});
