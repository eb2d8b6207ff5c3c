import { writeFileSync } from "node:fs";
import { Script } from "node:vm";
import { describe, expect, it } from "vitest";
import { rasterOf, type RunReport, spreadOf } from "../../../src/train/report/data.ts";
import { renderReport } from "../../../src/train/report/render.ts";
import { sampleRun } from "./sampleRun.ts";

const page = renderReport(sampleRun());

/** Elements in order; throws when they do not nest. */
function elementsOf(markup: string): { name: string; attributes: Record<string, string> }[] {
  const empty = new Set(["meta", "link", "img", "path", "rect"]);
  const opaque = markup.replace(/(<(script|style)\b[^>]*>)[\s\S]*?<\/\2>/g, "$1</$2>");
  const open: string[] = [];
  const elements: { name: string; attributes: Record<string, string> }[] = [];
  for (const [tag, closing, name, rest] of opaque.matchAll(/<(\/?)([a-z][a-z0-9]*)((?:\s+[\w-]+(?:="[^"<]*")?)*)\s*\/?>/gi)) {
    if (closing) {
      if (open.pop() !== name) throw new Error(`${tag} closes no ${name}`);
      continue;
    }
    if (!empty.has(name)) open.push(name);
    elements.push({ name, attributes: Object.fromEntries([...rest.matchAll(/([\w-]+)(?:="([^"]*)")?/g)].map(([, key, value = ""]) => [key, value])) });
  }
  if (open.length > 0) throw new Error(`never closed: ${open.join(", ")}`);
  return elements;
}

const embedded = (markup: string): RunReport => JSON.parse(/id="run-data">([\s\S]*?)<\/script>/.exec(markup)![1]);
const empty: RunReport = {
  title: "Nothing yet", model: [], options: {}, training: {}, environment: { device: "cpu", date: "today" },
  epochs: [], steps: [], samples: [], firingRates: [],
};

describe("renderReport", () => {
  it("is well-formed, with one heading of the first level", () => {
    const elements = elementsOf(page);
    expect(elements.filter(({ name }) => name === "h1")).toHaveLength(1);
    const ids = elements.map(({ attributes }) => attributes.id).filter(Boolean);
    expect(new Set(ids).size).toBe(ids.length);
    // For a look with one's own eyes: REPORT_SAMPLE=/tmp/report.html npx vitest run test/train/report
    if (process.env.REPORT_SAMPLE) writeFileSync(process.env.REPORT_SAMPLE, page);
  });

  it("refers to nothing outside itself", () => {
    for (const { attributes } of elementsOf(page))
      for (const key of ["src", "href", "action", "data"]) expect(attributes[key] ?? "data:").toMatch(/^(data:|#)/);
    expect(page).not.toMatch(/@import|url\((?!#)/);
    expect(page).toContain("default-src &#39;none&#39;");
  });

  it("names every picture, drawing and table for those who do not see them", () => {
    const elements = elementsOf(page);
    for (const { name, attributes } of elements) {
      if (name === "img") expect(attributes.alt).not.toBe("");
      if (name === "svg") expect(attributes).toMatchObject({ role: "img", "aria-label": expect.stringMatching(/\w/) });
    }
    expect(elements.filter(({ name }) => name === "caption").length).toBe(elements.filter(({ name }) => name === "table").length);
  });

  it("embeds the run, with the training steps thinned out", () => {
    const run = sampleRun();
    const read = embedded(page);
    expect(read.steps.length).toBeLessThanOrEqual(2000);
    expect(read.steps.length).toBeGreaterThan(1000);
    expect(read.samples[0].layers).toEqual(run.samples[0].layers);
    expect(read.epochs[2].testLoss).toBeCloseTo(run.epochs[2].testLoss, 5);
    expect(renderReport(read).length).toBeGreaterThan(0.9 * page.length);
  });

  it("stays small with many steps", () => {
    const steps = Array.from({ length: 200_000 }, (_, i) => ({ step: i + 1, loss: 1 / (i + 1), accuracy: 1 }));
    expect(renderReport({ ...empty, steps }).length).toBeLessThan(250_000);
  });

  it("has a script that compiles", () => {
    const scripts = [...page.matchAll(/<script>([\s\S]*?)<\/script>/g)];
    expect(scripts).toHaveLength(1);
    expect(() => new Script(scripts[0][1])).not.toThrow();
  });

  it("shows any text as text", () => {
    const hostile = `</script><script>alert(1)</script><img src=x onerror=alert(1)>"'&<!--`;
    const run = sampleRun({ epochs: 1, stepsPerEpoch: 20 });
    const poisoned = JSON.parse(
      JSON.stringify(run, (_, value) => (typeof value === "string" ? value + hostile : value)),
    ) as RunReport;
    poisoned.options = { [hostile]: hostile };
    poisoned.classNames = Array.from({ length: 10 }, () => hostile);
    const markup = renderReport(poisoned);
    const count = (name: string, of: string) => elementsOf(of).filter((element) => element.name === name).length;
    const plain = renderReport({ ...run, options: { a: 1 } });
    for (const name of ["script", "img", "svg"]) expect(count(name, markup)).toBe(count(name, plain));
    expect(markup).not.toContain("<script>alert");
    expect(markup).not.toContain("<img src=x");
    expect(elementsOf(markup).some(({ attributes }) => "onerror" in attributes)).toBe(false);
    expect(embedded(markup).title).toBe(run.title + hostile);
  });

  it.each<[string, Partial<RunReport>]>([
    ["nothing at all", {}],
    ["steps only, of an interrupted run", { steps: [{ step: 1, loss: 2.3, accuracy: 0.1 }] }],
    ["epochs only", { epochs: sampleRun().epochs }],
    ["a diverged loss", {
      steps: [1, NaN, Infinity, 2].map((loss, i) => ({ step: i + 1, loss, accuracy: NaN })),
      epochs: [{ ...sampleRun().epochs[0], trainLoss: NaN, testLoss: Infinity, testAccuracy: NaN }],
    }],
    ["silence: no spike, no score, no time", {
      samples: [{
        image: { width: 1, height: 1, pixels: [0] }, label: 0, prediction: 1, scores: [0, 0],
        layers: [rasterOf("lif", new Float32Array(4), 1)],
        membranes: [{ layer: "lif", neuron: 0, v: [0], spikes: [false], threshold: 0 }],
      }],
      firingRates: [{ layer: "lif", rate: 0, neurons: spreadOf([0, 0, 0]) }],
      confusion: [[0, 0], [0, 0]],
      stepTime: { fusedMs: 0, stepwiseMs: 0, speedup: NaN, fused: { dense: 0, neuron: 0, rest: 0 }, stepwise: { dense: 0, neuron: 0, rest: 0 } },
    }],
    ["a membrane that is not finite", { samples: [{ ...sampleRun().samples[0], membranes: [{ layer: "lif", neuron: 0, v: [NaN, Infinity, 1], spikes: [true, false, true], threshold: 1 }] }] }],
  ])("draws %s", (_, part) => {
    const markup = renderReport({ ...empty, ...part });
    elementsOf(markup);
    expect(markup.replace(/<script[\s\S]*/, "")).not.toMatch(/NaN|Infinity|undefined|\[object/);
  });

  it("labels an axis that starts at zero with 0", () => {
    const epoch = { ...sampleRun().epochs[0], trainLoss: 2, testLoss: 2 };
    const ticks = [...renderReport({ ...empty, epochs: [epoch] }).matchAll(/class="tick y"[^>]*>([^<]*)</g)].map(([, label]) => label);
    expect(ticks.slice(0, 5)).toEqual(["0", "0.5", "1", "1.5", "2"]);
  });

  it("titles the axes of every plot", () => {
    const plots = page.split('<div class="plot').slice(1);
    expect(plots.length).toBeGreaterThan(20);
    for (const plot of plots) {
      expect(plot).toMatch(/class="axis y" aria-hidden="true">(loss|accuracy|neuron|neurons|class|membrane)</);
      expect(plot).toMatch(/class="axis x" aria-hidden="true">(epoch|time step|firing rate: [^<]*)</);
    }
    expect(page.match(/class="axis y" aria-hidden="true">class</g)).toHaveLength(sampleRun().samples.length);
  });

  it("draws a threshold where it is at each step, and says so if the spike has none", () => {
    const [sample] = sampleRun().samples;
    const trace = { layer: "lif", neuron: 3, v: [0, 1, 2], spikes: [false, false, true] };
    const drawn = (membrane: object) => renderReport({ ...empty, samples: [{ ...sample, layers: [], membranes: [{ ...trace, threshold: 0, ...membrane }] }] });
    const heights = (markup: string) => [...(/class="threshold" d="([^"]*)"/.exec(markup)![1]).matchAll(/[ML][\d.]+ ([\d.]+)/g)].map(([, y]) => Number(y));
    const adapting = heights(drawn({ threshold: [1, 1.5, 2] }));
    expect(adapting).toHaveLength(3);
    expect(adapting[0] - adapting[1]).toBeCloseTo(adapting[1] - adapting[2], 1);
    expect(heights(drawn({ threshold: 1.7 }))).toHaveLength(1);
    expect(drawn({ threshold: 1.7 })).toContain("threshold 1.7");
    expect(drawn({ isMembrane: false })).toContain("the argument u of its spike");
  });

  it("draws the neurons that never fire apart, and counts them", () => {
    const neurons = { count: 8, dead: 2, saturated: 1, histogram: [3, 4, ...Array.from({ length: 47 }, () => 0), 1] };
    const markup = renderReport({ ...empty, firingRates: [{ layer: "lif", rate: 0.1, neurons }] });
    expect(markup).toContain("never fired: 2 of 8 (25.0\u202f%) · in nearly every step: 1 of 8");
    const tops = (name: string) => [...(new RegExp(`class="filled ${name}" d="([^"]*)"`).exec(markup)![1]).matchAll(/M([\d.]+) ([\d.]+)h.88V([\d.]+)/g)].map(([, x, from, to]) => [Math.floor(Number(x)), Number(from), Number(to)]);
    const [dead] = tops("dead");
    expect(tops("spiking").map(([bin]) => bin)).toEqual([0, 1, 49]);
    expect(tops("spiking")[0][1]).toBe(dead[2]);
  });

  it("shows warnings first, and the setup whole", () => {
    const markup = renderReport({ ...sampleRun(), warnings: ["lif2 is silent"] });
    expect(markup.indexOf("lif2 is silent")).toBeLessThan(markup.indexOf("<h2>Learning"));
    for (const said of ["adam, lr 0.001", "crossEntropy, of count", "cosine", "A processor, 2 cores", "0.1.0"]) expect(markup).toContain(said);
    expect(page).not.toContain("Warnings");
  });

  it("draws a map of many classes, and names the pairs", () => {
    const classes = 60;
    const confusion = Array.from({ length: classes }, (_, i) => Array.from({ length: classes }, (_, j) => (i === j ? 50 : i === 7 && j === 9 ? 20 : 0)));
    const markup = renderReport({ ...empty, confusion });
    elementsOf(markup);
    const cells = [...markup.matchAll(/class="cells heat-\d" d="([^"]*)"/g)].flatMap(([, d]) => [...d.matchAll(/M(\d+) (\d+)\.5h1/g)].map(([, x, y]) => `${y}→${x}`));
    expect(cells.toSorted()).toEqual([...confusion.keys()].map((i) => `${i}→${i}`).concat("7→9").toSorted());
    expect(markup).toMatch(/<th scope="row">7<\/th><td>9<\/td><td>20<\/td>/);
  });

  it("draws one mark per spike, in the column of its time step", () => {
    const markup = renderReport({
      ...empty,
      samples: [{ ...sampleRun().samples[0], membranes: [], layers: [{ name: "lif", steps: 4, neurons: 2, totalNeurons: 2, spikes: [[0, 1], [3, 0]] }] }],
    });
    const [, path] = /class="spikes"[^>]* d="([^"]*)"/.exec(markup)!;
    expect([...path.matchAll(/M([\d.]+) ([\d.]+)/g)].map(([, t, n]) => [Math.floor(Number(t)), Math.floor(Number(n))])).toEqual([[0, 1], [3, 0]]);
  });
});
