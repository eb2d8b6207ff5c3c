import "../compute/work.css";
import "./train.css";
import type { App } from "../app.ts";
import { percent, thousands } from "../compute/format.ts";
import type { Failure } from "../compute/protocol.ts";
import { eachFrame, h } from "../ui/dom.ts";
import { download } from "../ui/save.ts";
import { TrainClient } from "./client.ts";
import { curves } from "./curves.ts";
import { allTraining, counts, directory, pretrained } from "./files.ts";
import { form } from "./form.ts";
import { figures } from "./figures.ts";
import { findKept, keep, type KeptNetwork } from "./kept.ts";
import { drawingPad, thumbnail } from "./pad.ts";
import type { FromWorker, Look, WeightsFile } from "./protocol.ts";
import { hiddenLayers } from "./hidden.ts";
import { answerOf, outputs } from "./scores.ts";
import { toSettings } from "./weightsFile.ts";

type State = "idle" | "preparing" | "running" | "pausing" | "paused" | "finished" | "loaded" | "failed";

const startLabels: Readonly<Record<State, string>> = {
  idle: "Start", preparing: "Starting …", running: "Stop", pausing: "Stopping …", paused: "Continue", finished: "Train on", loaded: "Train on", failed: "Start",
};

/** Trains on MNIST, and lets the network read what one draws. */
export function mount(element: HTMLElement, app: App): void {
  let state: State = "idle";
  /** What the pad shows: an image of the test set by its position, or a drawing. */
  let testImage: number | null = 0;
  /** A copy of the weights, for when the worker or the page is gone. */
  let kept: KeptNetwork | null = null;
  const client = new TrainClient(receive);

  const settings = form(app);
  const start = h("button", { type: "button", class: "primary", click: toggle }, startLabels.idle);
  const reset = h("button", { type: "button", class: "quiet", click: resetAll, disabled: true }, "Reset");
  const progress = h("progress", { max: 1, value: 0, "aria-label": "Progress of the training" });
  const status = h("p", { class: "message", role: "status" }, "");
  const notice = h("p", { class: "notice", role: "status", hidden: true });
  const trouble = h("div", { class: "trouble", role: "alert" });
  const save = h("button", { type: "button", class: "quiet", disabled: true, click: saveFile }, "Save weights");
  const file = h("input", { type: "file", accept: ".safetensors", class: "hidden", tabindex: -1, "aria-label": "File of weights", "aria-hidden": "true", change: loadFile });
  const load = h("button", { type: "button", class: "quiet", click: () => file.click() }, "Load weights");
  const ready = h("button", { type: "button", class: "quiet", title: "A small convolutional network that was trained before, on all of MNIST", click: () => usePretrained() }, "Pretrained");
  const last = h("button", { type: "button", class: "quiet", title: "The network that this browser trained last", disabled: true, click: () => kept && use(kept) }, "Your last");
  void findKept().then((found) => {
    if (!found || state !== "idle") return;
    kept = found;
    last.disabled = false;
  });

  const numbers = figures();
  const plots = curves();
  const seen = thumbnail();
  const hidden = hiddenLayers();
  const output = outputs();
  const spoken = h("p", { class: "hidden", "aria-live": "polite" });
  const pad = drawingPad(() => {
    testImage = null;
    // The first stroke on a fresh page.
    if (state === "idle" && pad.image) void (kept ? use(kept) : usePretrained());
    look();
  });
  const another = h("button", { type: "button", class: "quiet", disabled: true, click: nextTestImage }, "Test image");
  const clear = h("button", { type: "button", class: "quiet", click: () => pad.clear() }, "Clear");
  const look = eachFrame(() => {
    if (testImage === null) {
      const image = pad.image;
      seen.show(image);
      if (!image) output.clear();
      else if (hasNetwork()) client.look(image);
    } else if (hasNetwork()) client.look(testImage);
  });

  const root = h("div", { class: "work train" },
    h("div", { class: "card side" },
      settings.element,
      h("div", { class: "buttons" }, start, reset),
      progress, status, notice, trouble,
      h("div", { class: "buttons" }, save, load, ready, last, file),
      h("p", { class: "message about" }, `${thousands(counts.train)} of MNIST's ${thousands(allTraining)} training images and ${thousands(counts.t10k)} test images are loaded at the start. All is computed in your browser.`)),
    h("div", { class: "plots" }, numbers.element, plots.element,
      h("div", { class: "card inside" },
        h("div", { class: "draw" }, h("figcaption", {}, h("b", {}, "Draw a digit"), h("span", { class: "key none" }, "or watch a test image")), pad.element,
          h("div", { class: "buttons" }, clear, another), seen.element),
        hidden.element, output.element, spoken)));
  element.append(root);
  output.clear();

  const hasNetwork = (): boolean => !["idle", "preparing", "failed"].includes(state);

  function enter(next: State): void {
    state = next;
    root.setAttribute("data-state", state);
    start.textContent = startLabels[state];
    start.disabled = state === "preparing" || state === "pausing";
    reset.disabled = state === "idle";
    settings.element.disabled = state !== "idle" && state !== "failed";
    another.disabled = !hasNetwork();
    save.disabled = another.disabled && !(state === "failed" && kept);
    load.disabled = ready.disabled = state === "preparing" || state === "running" || state === "pausing";
    last.disabled = load.disabled || !kept;
    if (state !== "failed") trouble.replaceChildren();
  }

  function toggle(): void {
    if (state === "idle" || state === "failed") begin(null, true);
    else if (state === "running") {
      client.send({ kind: "pause" });
      enter("pausing");
    } else client.send({ kind: "continue" });
  }

  function begin(weights: WeightsFile | null, run: boolean): void {
    plots.clear();
    numbers.clear();
    notice.hidden = true;
    enter("preparing");
    client.send({ kind: "start", settings: settings.settings, data: new URL(`${directory}/`, document.baseURI).href, weights, run });
  }

  function resetAll(): void {
    client.end();
    plots.clear();
    numbers.clear();
    output.clear();
    progress.value = 0;
    status.textContent = "";
    enter("idle");
  }

  async function loadFile(): Promise<void> {
    const [chosen] = file.files ?? [];
    file.value = "";
    if (chosen) use({ bytes: new Uint8Array(await chosen.arrayBuffer()), name: chosen.name });
  }

  function use(weights: WeightsFile): void {
    settings.settings = toSettings(weights, settings.settings);
    client.end();
    begin(weights, false);
  }

  async function usePretrained(): Promise<void> {
    enter("preparing");
    status.textContent = "Loading the pretrained network …";
    try {
      const response = await fetch(new URL(pretrained, document.baseURI));
      if (!response.ok) throw new Error(`HTTP status ${response.status}`);
      use({ bytes: new Uint8Array(await response.arrayBuffer()), name: pretrained });
    } catch (error) {
      fail({ fatal: true, message: `The pretrained network cannot be fetched: ${(error as Error).message}`, advice: "Check the connection, or press Start to train one." });
    }
  }

  function saveFile(): void {
    if (state === "failed") download(kept!.bytes as Uint8Array<ArrayBuffer>, kept!.name);
    else client.send({ kind: "save" });
  }

  function nextTestImage(): void {
    testImage = Math.floor(Math.random() * counts.t10k);
    look();
  }

  function receive(message: FromWorker): void {
    switch (message.kind) {
      case "status": status.textContent = `${message.text} …`; break;
      case "ready":
        if (message.device.fallback !== null) notice.textContent = `This runs on WebAssembly, not on the GPU. ${message.device.fallback}`;
        notice.hidden = message.device.fallback === null;
        settings.say(`${message.device.description.split("\n")[0]}; ${thousands(message.parameters)} weights`);
        status.textContent = "";
        break;
      case "progress":
        plots.add(message.steps, message.totalSteps);
        progress.value = message.steps.at(-1)!.step / message.totalSteps;
        numbers.progress(message, plots.lastLoss);
        if (!element.hidden) look();
        break;
      case "checked":
        plots.check(message);
        numbers.checked(message);
        showStatus();
        break;
      case "state":
        enter(message.state);
        if (message.state === "finished") progress.value = 1;
        showStatus();
        look();
        break;
      case "look":
        // An answer may come after what it answers has been wiped off.
        if (testImage === null && pad.image === null) break;
        hidden.show(message.layers.slice(0, -1), message.steps);
        output.show(message);
        if (message.label !== null && testImage !== null) pad.show(message.image);
        seen.show(message.image);
        speak(message);
        break;
      case "saved": download(message.bytes as Uint8Array<ArrayBuffer>, message.name); break;
      case "kept":
        kept = { bytes: message.bytes, name: message.name, accuracy: plots.lastCheck?.accuracy ?? NaN };
        void keep(kept);
        break;
      case "failed": fail(message); break;
    }
  }

  function showStatus(): void {
    if (state === "running") status.textContent = "Training";
    else if (state in stateTexts) status.textContent = `${stateTexts[state as keyof typeof stateTexts]}: ${plots.lastCheck ? `${percent(plots.lastCheck.accuracy)} of test images right` : "testing …"}`;
  }

  function fail({ message, advice, fatal }: Failure & { fatal: boolean }): void {
    if (fatal) enter("failed");
    if (fatal) status.textContent = "";
    trouble.replaceChildren(h("p", {}, h("b", {}, message)), ...[advice, fatal && kept ? "Save weights gives those of some seconds before; load them to go on." : null].filter((text) => text !== null).map((text) => h("p", {}, text)));
  }

  let timer = 0;
  /** Tells screen readers the digit of a drawing, once it stays. */
  function speak({ counts, steps }: Look): void {
    clearTimeout(timer);
    if (testImage !== null) return;
    const best = answerOf(counts);
    timer = window.setTimeout(() => { spoken.textContent = best === null ? "No output neuron fired." : `The network reads ${best}, with ${counts[best]} spikes in ${steps} steps.`; }, 700);
  }
}

const stateTexts = { paused: "Stopped", finished: "Done", loaded: "Loaded" } as const;
