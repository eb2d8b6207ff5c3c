import koffi from "koffi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ConvolutionProblem } from "../../../src/device/cuda/convolutionProblem.ts";
import { Cudnn, type Operands } from "../../../src/device/cuda/cudnn.ts";
import type { Engine } from "../../../src/device/cuda/cudnnEngines.ts";
import type { CudaDevice } from "../../../src/device/cuda/device.ts";
import { fastest, shortest, type Stopwatch, StreamStopwatch } from "../../../src/device/cuda/trials.ts";
import { describeOnStandIn, library as standIn, openCuda } from "./standIn.ts";

const WINDOW = { size: [3, 3], stride: [1, 1], padding: [1, 1] } as const;

describe("the fastest of candidates", () => {
  /** Milliseconds of candidates named by their place; what was measured and lost, in order. */
  const choose = (milliseconds: (number | undefined)[], now?: () => number) => {
    const [measured, lost]: [number[], number[]] = [[], []];
    const others = Array.from({ length: milliseconds.length - 1 }, (_, i) => i + 1);
    const chosen = fastest(0, others, (candidate) => {
      measured.push(candidate);
      return milliseconds[candidate];
    }, (candidate) => lost.push(candidate), now);
    return { chosen, measured, lost };
  };

  it("is kept, and all others but the first are given back", () => {
    expect(choose([5, 7, 2, 3, 1, 4])).toEqual({ chosen: 4, measured: [0, 1, 2, 3, 4, 5], lost: [1, 3, 2, 5] });
    expect(choose([5, 7, 6])).toEqual({ chosen: 0, measured: [0, 1, 2], lost: [1, 2] });
  });

  it("is not another for the clock's noise", () => {
    expect(choose([100, 98, 99]).chosen).toBe(0);
    expect(choose([100, 90]).chosen).toBe(1);
  });

  it("is none that cannot run, and the first where none can", () => {
    expect(choose([undefined, 4, undefined])).toMatchObject({ chosen: 1, lost: [2] });
    expect(choose([undefined, undefined])).toMatchObject({ chosen: 0, lost: [1] });
  });

  it("is sought among eight, for half a second, and not where there is one", () => {
    expect(choose(Array.from({ length: 20 }, (_, i) => 100 - 10 * i)).measured).toHaveLength(8);
    let hour = 0;
    expect(choose([5, 4, 3, 2, 1], () => 200 * hour++).measured).toEqual([0, 1, 2, 3]);
    expect(choose([5]).measured).toEqual([]);
  });

  it("runs thrice after a first time, once if it is slow, and not again if that took too long", () => {
    const runs = (times: number[], least = Infinity) => {
      let count = 0;
      const found = shortest(() => times[count++], least);
      return [found, count];
    };
    expect(runs([40, 3, 2, 4, 1])).toEqual([2, 4]);
    expect(runs([90, 60, 1])).toEqual([60, 2]);
    expect(runs([9, 3, 1], 2)).toEqual([3, 2]);
    expect(runs([900, 1])).toEqual([900, 1]);
  });
});

describeOnStandIn("engines of convolutions", () => {
  let device: CudaDevice;
  beforeAll(async () => {
    device = await openCuda();
  });
  afterAll(() => device.dispose());

  /** Tensor cores take no workspace for it, and the plain engine, which comes after them, does. */
  const problem: ConvolutionProblem = { x: [1, 4, 4, 8], w: [8, 3, 3, 8], padding: [1, 1], stride: [1, 1], kind: "forward", type: "bf16" };
  let kinds = 0;

  /** A device on which what needs workspace takes `workspace` milliseconds, and all else `none`. */
  class FakeStopwatch implements Stopwatch {
    readonly device = `a device of kind ${++kinds}`;
    readonly stream = device.context.stream;
    ready = true;
    room = Infinity;
    trials = 0;
    lent = 0;
    #needs = 0;
    readonly #milliseconds: { none: number; workspace: number };

    constructor(milliseconds: { none: number; workspace: number }) {
      this.#milliseconds = milliseconds;
    }

    time(work: () => void): number {
      this.trials++;
      work();
      return this.#needs > 0 ? this.#milliseconds.workspace : this.#milliseconds.none;
    }

    lend<T>(bytes: number, work: (address: number) => T): T | undefined {
      if (bytes > this.room) return undefined;
      this.#needs = bytes;
      this.lent++;
      return bytes === 0 ? work(0) : device.context.memory.lend(bytes, work);
    }
  }

  const withOperands = (work: (operands: Operands) => void): void => {
    const tensors = Array.from({ length: 3 }, () => device.zeros([8 * 8 * 9], "bf16"));
    const [x, w, y] = tensors.map((tensor) => device.context.ptr(tensor, "test"));
    work({ x, w, y });
    tensors.forEach((tensor) => tensor.dispose());
  };

  const leaks: () => string = standIn === null ? () => "" : koffi.load(standIn).func("const char *standInLeaks()");

  /** Opens cuDNN with a stopwatch, and holds it to give all back. */
  const withCudnn = (stopwatch: Stopwatch, work: (cudnn: Cudnn, operands: Operands) => void, workspaceBytes?: number): void => {
    const descriptors = () => leaks().split("\n").filter((line) => line.includes("cuDNN"));
    const before = descriptors();
    const cudnn = Cudnn.open(device.context.driver, { stopwatch, workspaceBytes });
    withOperands((operands) => work(cudnn, operands));
    cudnn.dispose();
    expect(descriptors()).toEqual(before);
  };

  it("are tried at the first run, and the fastest stays", () => {
    const stopwatch = new FakeStopwatch({ none: 2, workspace: 1 });
    withCudnn(stopwatch, (cudnn, operands) => {
      const plan = cudnn.plan(problem);
      expect(plan.workspaceBytes).toBe(0);
      cudnn.settle(plan, operands);
      expect(plan.workspaceBytes).toBeGreaterThan(0);
      expect(plan.deterministic).toBe(true);
      expect(cudnn.plan(problem)).toBe(plan);
      const { trials } = stopwatch;
      cudnn.settle(plan, operands);
      expect(stopwatch.trials).toBe(trials);
    });
    // Another of this kind in the same process takes the same, and tries nothing.
    const { trials } = stopwatch;
    withCudnn(stopwatch, (cudnn, operands) => {
      const plan = cudnn.plan(problem);
      expect(plan.workspaceBytes).toBeGreaterThan(0);
      cudnn.settle(plan, operands);
      expect(stopwatch.trials).toBe(trials);
    });
  });

  it("stay those of the heuristics where these are the fastest, need more workspace than is allowed, or more memory than there is", () => {
    for (const [stopwatch, workspaceBytes] of [
      [new FakeStopwatch({ none: 1, workspace: 2 })], [new FakeStopwatch({ none: 2, workspace: 1 }), 16], [Object.assign(new FakeStopwatch({ none: 2, workspace: 1 }), { room: 0 })],
    ] as [FakeStopwatch, number?][]) {
      withCudnn(stopwatch, (cudnn, operands) => {
        const plan = cudnn.plan(problem);
        cudnn.settle(plan, operands);
        expect(plan.workspaceBytes).toBe(0);
      }, workspaceBytes);
    }
  });

  it("are not tried while work is recorded, and are at the next call", () => {
    const stopwatch = new FakeStopwatch({ none: 2, workspace: 1 });
    withCudnn(stopwatch, (cudnn, operands) => {
      const plan = cudnn.plan(problem);
      stopwatch.ready = false;
      cudnn.settle(plan, operands);
      expect([stopwatch.trials, plan.workspaceBytes]).toEqual([0, 0]);
      const { engine } = plan as unknown as { engine: Engine };
      stopwatch.ready = true;
      cudnn.settle(plan, operands);
      expect(plan.workspaceBytes).toBeGreaterThan(0);
      // What was recorded can go on.
      cudnn.execute(engine, operands, 0, stopwatch.stream);
    });
  });

  it("leave no memory, events or descriptors behind, and are not tried in a graph", async () => {
    const before = leaks();
    const own = await openCuda();
    const { context } = own;
    const stopwatch = new StreamStopwatch(context);
    expect(stopwatch.ready).toBe(true);
    const [x, w] = [own.zeros([1, 4, 4, 24], "bf16"), own.tensor(new Float32Array(3 * 3 * 24 * 8).fill(1), [3, 3, 24, 8])];
    const convolve = () => own.denseFor("bfloat16").conv2d(x, w, undefined, WINDOW).dispose();
    convolve();
    const { bytesReserved, bytesInUse } = context.memory;
    convolve();
    expect([context.memory.bytesReserved, context.memory.bytesInUse]).toEqual([bytesReserved, bytesInUse]);
    const graph = own.capture(() => {
      expect(stopwatch.ready).toBe(false);
      convolve();
    });
    graph.launch();
    await own.synchronize();
    graph.dispose();
    await own.dispose();
    expect(leaks()).toBe(before);
  });

  it("are tried on a device unless its option says heuristic", async () => {
    let timed = 0;
    const { time } = StreamStopwatch.prototype;
    StreamStopwatch.prototype.time = function (work) {
      timed++;
      return time.call(this, work);
    };
    try {
      for (const [convolutions, size] of [["heuristic", 5], ["tried", 5], [undefined, 6]] as const) {
        const own = await openCuda("cuda", { convolutions });
        const [x, w] = [own.zeros([1, size, size, 16], "bf16"), own.zeros([3, 3, 16, 8])];
        timed = 0;
        own.denseFor("bfloat16").conv2d(x, w, undefined, WINDOW).dispose();
        if (convolutions === "heuristic") expect(timed).toBe(0);
        else expect(timed).toBeGreaterThan(1);
        expect(own.arithmetic.includes("heuristics")).toBe(convolutions === "heuristic");
        await own.dispose();
      }
    } finally {
      StreamStopwatch.prototype.time = time;
    }
  });
});
