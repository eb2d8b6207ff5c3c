import { afterAll, describe, expect, it } from "vitest";
import * as cuda from "../src/cuda/index.ts";
import { SpikefoldError } from "../src/errors.ts";
import * as spikefold from "../src/index.ts";
import * as jaxEntry from "../src/jax/index.ts";
import * as pythonEntry from "../src/python/index.ts";
import { data } from "./arguments/data.ts";
import { ofDevices } from "./arguments/device.ts";
import { jax } from "./arguments/jax.ts";
import { recordings } from "./arguments/events.ts";
import { formats, removeFiles } from "./arguments/formats.ts";
import { device } from "./arguments/kit.ts";
import { neurons } from "./arguments/neuron.ts";
import { nir, removeNirFiles } from "./arguments/nir.ts";
import { nn } from "./arguments/nn.ts";
import { parallel } from "./arguments/parallel.ts";
import { parallelPlan } from "./arguments/parallelPlan.ts";
import { accepts, misbehaviour, type Row } from "./arguments/table.ts";
import { removeRuns, train } from "./arguments/train.ts";

afterAll(async () => {
  await removeRuns();
  removeNirFiles();
  removeFiles();
  await device.dispose();
});

const rows: Record<string, Row> = { ...neurons, ...data, ...recordings, ...ofDevices, ...jax, ...nn, ...parallel, ...parallelPlan, ...train, ...nir, ...formats };

/** Values, and what has no wrong arguments: errors take any message. */
const isCalled = (value: unknown): value is { prototype: object } => typeof value === "function" && !(value === SpikefoldError || value.prototype instanceof SpikefoldError);
/** `private` in TypeScript alone, or for subclasses. */
const internal = ["BatchLoader.after", "BatchLoader.queuePrefetch", "BatchLoader.prepare", "BatchLoader.fill", "BatchLoader.arrange", "BatchLoader.toInputs", "BatchLoader.requireFinite", "Random.startStream", "Layer.expectShape", "Tape.fork", "Tape.reads", "Tape.within", "Variable.pack", "Variable.unpacked", "Layer.dense"];
/** Made by functions alone. A CudaDevice is a Device: test/device/cuda holds it to the same contract. */
const abstract = ["Layer", "Model", "Expr", "CudaDevice", "RunDirectory"];

/** All that can be called: functions, classes, and their methods. */
function callables(namespace: object, prefix = ""): string[] {
  return Object.entries(namespace).flatMap(([name, value]: [string, unknown]) => {
    if (["encode", "schedule", "surrogate", "transform"].includes(name)) return callables(value as object, `${name}.`);
    if (!isCalled(value)) return [];
    const methods = (holder: object): string[] => Object.entries(Object.getOwnPropertyDescriptors(holder))
      .filter(([method, { value: own }]) => typeof own === "function" && method !== "constructor").map(([method]) => `${name}.${method}`);
    const isClass = /^class\b/.test(Function.prototype.toString.call(value));
    return [`${prefix}${name}`, ...(isClass ? [...methods(value), ...(name === "CudaDevice" ? [] : methods(value.prototype))] : [])];
  });
}

describe("the table of arguments", () => {
  it("has a row for everything that can be called", () => {
    const all = [spikefold, jaxEntry, cuda, pythonEntry].flatMap((namespace) => callables(namespace));
    expect(all.length).toBeGreaterThan(150);
    expect(all.filter((name) => !(name in rows) && !internal.includes(name) && !abstract.includes(name))).toEqual([]);
  });

  it("has a row for all that a device offers", () => {
    const methods = Object.keys(device.dense).map((name) => `DenseMath.${name}`);
    expect(methods.length).toBeGreaterThan(15);
    expect(methods.filter((name) => !(name in rows))).toEqual([]);
  });
});

describe("arguments", () => {
  it.each(Object.entries(rows))("%s refuses what is wrong, in words", async (name, row) => {
    if (!row.incomplete) await accepts(row);
    expect(await misbehaviour(name, row)).toEqual([]);
  });
});
