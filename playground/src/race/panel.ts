import "../compute/work.css";
import "./race.css";
import type { NeuronBench } from "../../../src/bench/neuron.ts";
import type { App } from "../app.ts";
import { deviceChoice } from "../compute/deviceChoice.ts";
import { thousands } from "../compute/format.ts";
import type { DeviceChoice, NeuronSource } from "../compute/protocol.ts";
import { sourceOf } from "../neuron/builtins.ts";
import { choice } from "../ui/controls.ts";
import { h } from "../ui/dom.ts";
import { raceLanes } from "./lanes.ts";
import type { FromWorker, RaceRequest } from "./protocol.ts";
import { headline, resultTable } from "./results.ts";

const manySteps = [4, 8, 16, 32, 64, 128];
const manyNeurons = [1024, 4096, 16_384, 65_536, 262_144, 1_048_576];
const neurons: Readonly<Record<string, string>> = { lif: "LIF", parametricLif: "Parametric LIF", integrateAndFire: "Integrate-and-fire", leaky: "Leaky (snnTorch)", synaptic: "Synaptic (snnTorch)", bench: "as in the Neuron panel" };

const slowly = (factor: number): string => (factor > 1 ? `${Number(factor.toPrecision(2))} times slower` : `${Number((1 / factor).toPrecision(2))} times faster`);

/** Races the fused kernels of a neuron against the same neuron stepped through jax-js, on the visitor's own device. */
export function mount(element: HTMLElement, app: App): void {
  const settings = { device: "webgpu" as DeviceChoice, neuron: "lif", steps: 32, neurons: matchMedia("(max-width: 40rem)").matches ? 16_384 : 65_536 };
  let worker: Worker | null = null;
  let request: RaceRequest;
  let benches: NeuronBench[] = [];

  const device = deviceChoice((value) => { settings.device = value; });
  const neuron = choice<string>({ label: "Neuron", choices: Object.entries(neurons), change: (value) => { settings.neuron = value; } });
  const steps = choice<string>({ label: "Time steps T", choices: manySteps.map((T) => [String(T), String(T)] as const), change: (value) => { settings.steps = Number(value); } });
  const size = choice<string>({ label: "Neurons N", choices: manyNeurons.map((N) => [String(N), thousands(N)] as const), change: (value) => { settings.neurons = Number(value); } });
  const go = h("button", { type: "button", class: "primary", click: () => (worker ? stop("Stopped") : race([settings.steps], 10, 3)) }, "Race");
  const all = h("button", { type: "button", class: "quiet", click: () => race(manySteps, 5, 2) }, `T = ${manySteps[0]} … ${manySteps.at(-1)}`);
  const copy = h("button", { type: "button", class: "quiet", disabled: true, click: copyResult }, "Copy result");
  const status = h("p", { class: "message", role: "status" }, "");
  const notice = h("p", { class: "notice", role: "status", hidden: true });
  const trouble = h("div", { class: "trouble", role: "alert" });
  const progress = h("progress", { max: 1, value: 0, "aria-label": "Progress of the race" });
  const fields = h("fieldset", { class: "controls", "aria-label": "Settings of the race" }, device.element, neuron.element, steps.element, size.element);
  const numbers = headline();
  const lanes = raceLanes();
  const table = resultTable();
  const slow = h("span", { class: "key none" });
  const details = h("p", { class: "message details" });

  const root = h("div", { class: "work race" },
    h("div", { class: "card side" }, fields, h("div", { class: "buttons" }, go, all, copy), progress, status, notice, trouble),
    h("div", { class: "plots" }, numbers.element,
      h("div", { class: "card" }, h("figure", {},
        h("figcaption", {}, h("b", {}, "Time"), h("span", { class: "key spike" }, "all T steps in one kernel"), h("span", { class: "key line" }, "one launch a step: jax-js on the same device"), slow), lanes.element)),
      h("div", { class: "card" }, table.element, details)));
  element.append(root);
  device.set(settings.device);
  neuron.set(settings.neuron);
  steps.set(String(settings.steps));
  size.set(String(settings.neurons));
  details.textContent = "Fused, a neuron's state stays in registers over all T steps. Step by step it goes through memory at each. Both compute the same spikes and gradients, from the same definition.";

  function race(eachSteps: number[], repetitions: number, warmUp: number): void {
    const bench = settings.neuron === "bench";
    const source: NeuronSource = { source: bench ? sourceOf(app.state) : `${settings.neuron}()`, params: bench && app.state.neuron === "code" ? app.state.params : {} };
    request = { device: settings.device, neuron: source, steps: eachSteps, neurons: settings.neurons, repetitions, warmUp };
    benches = [];
    numbers.clear();
    table.clear();
    lanes.ready(eachSteps[0]);
    slow.textContent = "";
    trouble.replaceChildren();
    notice.hidden = true;
    progress.value = 0;
    worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => receive(data);
    worker.onerror = ({ message }) => fail(message ? `The race stopped: ${message}` : "The race could not be loaded", "Check the connection and press Race, or reload the page.");
    worker.postMessage(request);
    enter(true);
  }

  function enter(running: boolean): void {
    fields.disabled = all.disabled = running;
    go.textContent = running ? "Stop" : "Race";
    copy.disabled = running || benches.length === 0;
    root.setAttribute("data-state", running ? "running" : benches.length > 0 ? "done" : "idle");
  }

  function stop(text: string): void {
    worker?.terminate();
    worker = null;
    status.textContent = text;
    lanes.replay();
    enter(false);
  }

  function fail(message: string, advice: string | null): void {
    stop("");
    trouble.replaceChildren(h("p", {}, h("b", {}, message)), ...(advice ? [h("p", {}, advice.replaceAll("Start", "Race"))] : []));
  }

  function receive(message: FromWorker): void {
    switch (message.kind) {
      case "status":
        status.textContent = `${message.text} …`;
        break;
      case "device":
        if (message.device.fallback !== null) notice.textContent = `This runs on WebAssembly, not on the GPU. ${message.device.fallback}`;
        notice.hidden = message.device.fallback === null;
        device.say(message.device.description.split("\n")[0]);
        break;
      case "lap":
        if (message.round === 1) lanes.ready(message.steps);
        lanes.add(message.lap);
        slow.textContent = lanes.slowness === null ? "" : `shown ${slowly(lanes.slowness)}`;
        status.textContent = `T = ${message.steps}: repetition ${message.round} of ${message.repetitions}`;
        progress.value = (benches.length + message.round / message.repetitions) / request.steps.length;
        break;
      case "result":
        benches.push(message.bench);
        numbers.show(message.bench);
        table.add(message.bench);
        void describe(message.bench);
        break;
      case "done": {
        const { both } = benches.at(-1)!;
        stop(`Done: fused is ${both.speedup.toFixed(1)} times as fast as step by step, forward and backward.`);
        break;
      }
      case "failed": fail(message.message, message.advice); break;
    }
  }

  async function describe({ device: name, baseline }: NeuronBench): Promise<void> {
    const { browserName, method, versions } = await import("./report.ts");
    details.textContent = `${name.replaceAll("\n", "; ")}. ${browserName(navigator.userAgent)}. Baseline: ${baseline}, jax-js ${versions["jax-js"]}. ${method(request)}`;
  }

  async function copyResult(): Promise<void> {
    const { reportText } = await import("./report.ts");
    const text = reportText({ benches, repetitions: request.repetitions, warmUp: request.warmUp, definition: request.neuron.source, date: new Date(), userAgent: navigator.userAgent });
    try {
      await navigator.clipboard.writeText(text);
      status.textContent = "The result is on the clipboard, as text and JSON.";
    } catch {
      status.textContent = "The browser does not let this page write to the clipboard.";
    }
  }
}
