import type { App } from "../app.ts";
import { sourceOf } from "../neuron/builtins.ts";
import { thousands } from "../compute/format.ts";
import { deviceChoice } from "../compute/deviceChoice.ts";
import { type Control, choice, flag } from "../ui/controls.ts";
import { h } from "../ui/dom.ts";
import { choices, encoders, initialSettings, networks, neurons, sourceFor, type TrainSettings } from "./settings.ts";

export interface Form {
  readonly element: HTMLFieldSetElement;
  settings: TrainSettings;
  /** Says something of the device. */
  say(text: string): void;
}

type Numeric = keyof typeof choices;

const titles: Readonly<Record<Numeric, string>> = {
  steps: "Time steps T", batchSize: "Batch size", learningRate: "Learning rate", images: "Training images", epochs: "Epochs",
};

/** The settings of a training. */
export function form(app: App): Form {
  let settings = initialSettings;
  const source = h("code", { class: "source" });
  const set = (change: Partial<TrainSettings>): void => {
    settings = { ...settings, ...change };
    const { neuronName, network } = settings;
    // A file of weights brings its neuron along.
    if (!change.neuron) settings = { ...settings, neuron: neuronName === "bench" ? fromBench() : { source: sourceFor(neuronName, network), params: {} } };
    show();
  };
  const fromBench = () => ({ source: sourceOf(app.state), params: app.state.neuron === "code" ? app.state.params : {} });

  const device = deviceChoice((value) => set({ device: value }));
  const network = choice({ label: "Network", choices: Object.entries(networks) as [TrainSettings["network"], string][], change: (value) => set({ network: value }) });
  const neuron = choice({
    label: "Neuron",
    choices: [...Object.entries(neurons), ["bench", "as in the Neuron panel"] as const],
    change: (name) => set({ neuronName: name }),
  });
  const encoder = choice({ label: "Image encoding", choices: Object.entries(encoders) as [TrainSettings["encoder"], string][], change: (value) => set({ encoder: value }) });
  const shift = flag({ label: "shift images at random", title: "By up to two pixels: the network then takes drawings that are not quite centred", change: (value) => set({ shift: value }) });
  const numeric = Object.fromEntries((Object.keys(choices) as Numeric[]).map((name) => [name, choice<string>({
    label: titles[name],
    choices: choices[name].map((value) => [String(value), value >= 1 ? thousands(value) : String(value)] as const),
    change: (value) => set({ [name]: Number(value) }),
  })])) as Record<Numeric, Control<string>>;

  function show(): void {
    device.set(settings.device);
    network.set(settings.network);
    neuron.set(settings.neuronName);
    encoder.set(settings.encoder);
    shift.set(settings.shift);
    for (const name of Object.keys(numeric) as Numeric[]) numeric[name].set(String(settings[name]));
    const lines = settings.neuron.source.trim().split("\n");
    source.textContent = lines.length > 1 ? `${lines.find((text) => /defineNeuron/.test(text)) ?? lines[0]} …` : lines[0];
  }
  app.subscribe(() => {
    if (settings.neuronName === "bench" && !element.disabled) set({});
  });
  const element = h("fieldset", { class: "controls", "aria-label": "Settings of the training" },
    device.element, network.element, neuron.element, source,
    numeric.steps.element, encoder.element, numeric.learningRate.element, numeric.batchSize.element, numeric.images.element, numeric.epochs.element, shift.element);
  show();
  return {
    element,
    say: device.say,
    get settings() { return settings; },
    set settings(next) { set(next); },
  };
}
