import type { App } from "../app.ts";
import { sourceOf } from "../neuron/builtins.ts";
import { deviceChoice } from "../compute/deviceChoice.ts";
import { type Control, choice, flag } from "../ui/controls.ts";
import { h } from "../ui/dom.ts";
import { choices, encoders, initialSettings, networks, neurons, type TrainSettings } from "./settings.ts";

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
    show();
  };
  const fromBench = () => ({ source: sourceOf(app.state), params: app.state.neuron === "code" ? app.state.params : {} });

  const device = deviceChoice((value) => set({ device: value }));
  const network = choice({ label: "Network", choices: Object.entries(networks) as [TrainSettings["network"], string][], change: (value) => set({ network: value }) });
  const neuron = choice({
    label: "Neuron",
    choices: [...Object.entries(neurons).map(([name, { title }]) => [name, title] as const), ["bench", "as in the Neuron panel"] as const],
    change: (name) => set({ neuronName: name, neuron: name === "bench" ? fromBench() : { source: neurons[name].source, params: {} } }),
  });
  const encoder = choice({ label: "Images become", choices: Object.entries(encoders) as [TrainSettings["encoder"], string][], change: (value) => set({ encoder: value }) });
  const shift = flag({ label: "shift images at random", title: "By up to two pixels: the network then takes drawings that are not quite centred", change: (value) => set({ shift: value }) });
  const numeric = Object.fromEntries((Object.keys(choices) as Numeric[]).map((name) => [name, choice<string>({
    label: titles[name],
    choices: choices[name].map((value) => [String(value), value.toLocaleString("en").replaceAll(",", " ")] as const),
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
    if (settings.neuronName === "bench" && !element.disabled) set({ neuron: fromBench() });
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
