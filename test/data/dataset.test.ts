import { describe, expect, it } from "vitest";
import { BatchLoader } from "../../src/data/batches.ts";
import { checkDataset, type ImageDataset } from "../../src/data/dataset.ts";
import { OptionError, ShapeError } from "../../src/errors.ts";

const dataset: ImageDataset = {
  name: "numbers", images: Uint8Array.from({ length: 48 }, (_, i) => i), labels: Uint8Array.of(0, 1, 2, 1), count: 4, height: 2, width: 3, channels: 2, classes: 3,
  classNames: ["a", "b", "c"],
};
const floats = Float32Array.from(dataset.images, (byte) => byte / 255);
const changed = (change: object): ImageDataset => ({ ...dataset, ...change });

describe("checkDataset", () => {
  it.each<[string, object]>([
    ["bytes", {}],
    ["floats", { images: floats }],
    ["bytes in a Buffer", { images: Buffer.from(dataset.images) }],
    ...[Uint16Array, Int32Array, Uint32Array].map((type) => [`labels in a ${type.name}`, { labels: type.from(dataset.labels) }] as [string, object]),
    ["labels above 255", { labels: Uint16Array.of(0, 999, 256, 5), classes: 1000, classNames: undefined }],
    ["no names of classes", { classNames: undefined }],
    ["a field of one's own", { source: "a camera" }],
  ])("accepts %s", (_, change) => expect(() => checkDataset(changed(change))).not.toThrow());

  it.each<[string, object, RegExp]>([
    ["images of 16 bits", { images: Uint16Array.from(dataset.images) }, /data set "numbers": images is a Uint16Array of 48: expected a Uint8Array .* or a Float32Array .*value \/ 65535/],
    ["images of doubles", { images: Float64Array.from(floats) }, /Float64Array.*Float32Array\.from\(images\)/],
    ["images of a canvas", { images: Uint8ClampedArray.from(dataset.images) }, /Uint8ClampedArray.*new Uint8Array\(images\.buffer/],
    ["images in a list", { images: [...dataset.images] }, /images is a list of 48/],
    ["no images", { images: undefined }, /images is undefined/],
    ["labels of signed bytes", { labels: Int8Array.of(0, 1, 2, 1) }, /labels is a Int8Array of 4.*Int32Array\.from\(labels\)/],
    ["labels as floats", { labels: Float32Array.of(0, 1, 2, 1) }, /labels is a Float32Array/],
    ["labels as a text", { labels: "0121" }, /labels is "0121".*Int32Array\.from\(labels, Number\)/],
    ["labels as names", { labels: ["a", "b", "c", "b"] }, /labels is \["a", .*classNames\.indexOf/],
    ["labels in a list", { labels: [0, 1, 2, 1] }, /labels is \[0, 1, 2, 1\].*Int32Array\.from\(labels\)/],
    ["a label that is no class", { labels: Uint8Array.of(0, 1, 3, 7) }, /labels\[2\] is 3: expected a class in 0 … 2/],
    ["a label below 0", { labels: Int32Array.of(0, -1, 2, 1) }, /labels\[1\] is -1/],
    ["no whole number of classes", { classes: 2.5 }, /classes is 2\.5/],
    ["no classes", { classes: undefined, classNames: undefined }, /classes is undefined/],
    ["names of classes that are numbers", { classNames: [1, 2, 3] }, /classNames/],
    ["no name", { name: "" }, /name is ""/],
    ["a float that is not finite", { images: floats.with(12 + 7, NaN) }, /image 1 at \[1, 0, 1\] \(row, column, channel\) is NaN/],
    ["an infinite float", { images: floats.with(47, -Infinity) }, /image 3 at \[1, 2, 1\] .* is -Infinity/],
  ])("refuses %s and names it", (_, change, message) => {
    expect(() => checkDataset(changed(change))).toThrow(OptionError);
    expect(() => checkDataset(changed(change))).toThrow(message);
    expect(() => new BatchLoader(changed(change), { batchSize: 2 })).toThrow(message);
  });

  it.each<[string, object]>([
    ["too few labels", { labels: Uint8Array.of(0, 1) }],
    ["a size that does not fit", { width: 4 }],
    ["a size of 0", { count: 0 }],
    ["a size that is missing", { height: undefined }],
    ["too few names of classes", { classNames: ["a", "b"] }],
  ])("refuses %s", (_, change) => expect(() => checkDataset(changed(change))).toThrow(ShapeError));

  it.each([[undefined], [null], ["mnist"], [[dataset]], [dataset.images]])("refuses %j in place of a data set", (given) => {
    expect(() => checkDataset(given as never)).toThrow(/a data set is .*: expected an object \{ name, images/);
  });
});
