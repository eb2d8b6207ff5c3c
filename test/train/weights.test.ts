import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import type { Device } from "../../src/device/device.ts";
import { openDevice } from "../../src/device/open.ts";
import { FileFormatError } from "../../src/errors.ts";
import { Model } from "../../src/nn/index.ts";
import { encodeSafetensors } from "../../src/train/safetensors.ts";
import { encodeModel, modelNotes, modelTensors, restoreModel } from "../../src/train/weights.ts";
import { smallNetwork } from "./digits.ts";

let device: Device;
beforeAll(async () => {
  device = await openDevice("cpu");
});
afterAll(() => device.dispose());

const build = (seed: number, hidden = 24): Model => Model.build(smallNetwork(hidden), { device, inputShape: [16], steps: 4, random: new Random(seed) });
const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.with(at, bytes.at(at)! ^ 1);
const values = (model: Model) => Promise.all(Object.values(modelTensors(model)).map((tensor) => device.read(tensor)));

describe("a model's file", () => {
  it("gives the weights to another model, and the notes back", async () => {
    const [from, to] = [build(1), build(2)];
    const bytes = await encodeModel(from, { neuron: "lif", trained: "3 epochs, “µ”" });
    restoreModel(to, bytes, "a file");
    expect(await values(to)).toEqual(await values(from));
    expect(modelNotes(bytes, "a file")).toEqual({ neuron: "lif", trained: "3 epochs, “µ”" });
    expect(modelNotes(await encodeModel(from), "a file")).toEqual({});
  });

  it("is refused for its shapes even if the structure is ignored", async () => {
    const bytes = await encodeModel(build(1, 12));
    expect(() => restoreModel(build(2), bytes, "a file", { ignoreStructure: true })).toThrow(/a file: tensor .* has the shape/);
  });

  it("cannot be passed off as another kind by its notes", async () => {
    const bytes = await encodeModel(build(1), { format: "something", version: "7" });
    expect(modelNotes(bytes, "a file")).toEqual({});
  });

  it.each([
    ["of another model", () => encodeModel(build(1, 12)), /a file was written by a network that computes otherwise: .*linear\(16, 12\)/],
    ["with one flipped bit in its weights", async () => flipped(await encodeModel(build(2)), -17), /a file is damaged/],
    ["cut off", async () => (await encodeModel(build(1))).slice(0, -5), /a file/],
    ["of another kind", async () => encodeSafetensors({}, { format: "else" }), /a file: the metadata say format "else"/],
  ])("is refused where it is %s, and nothing is changed", async (_, make, message) => {
    const model = build(2);
    const before = await values(model);
    const bytes = await make();
    expect(() => restoreModel(model, bytes, "a file")).toThrow(FileFormatError);
    expect(() => restoreModel(model, bytes, "a file")).toThrow(message);
    expect(await values(model)).toEqual(before);
  });
});
