import type { App } from "../app.ts";
import type { InputSettings } from "../engine/protocol.ts";
import { bounds } from "../link.ts";
import type { State } from "../state.ts";
import { choice, slider } from "../ui/controls.ts";
import { h } from "../ui/dom.ts";

const kinds: [InputSettings["kind"], string][] = [["noise", "slow noise"], ["constant", "constant current"], ["sine", "sine"], ["pulses", "pulses"], ["poisson", "Poisson spikes"]];

/** Controls of what drives the neurons. */
export function inputControls(app: App): { element: HTMLElement; show(state: State): void } {
  const set = <K extends keyof InputSettings>(key: K) => (value: InputSettings[K]): void => app.set({ input: { ...app.state.input, [key]: value } });
  const kind = choice<InputSettings["kind"]>({ label: "signal", choices: kinds, change: set("kind") });
  const amplitude = slider({ label: "amplitude", min: 0, max: 4, step: 0.02, bounds: bounds.amplitude, change: set("amplitude") });
  const period = slider({ label: "period", min: 2, max: 100, step: 1, bounds: bounds.period, title: "Steps of a period, or of the noise's correlation", change: set("period") });
  const rate = slider({ label: "rate", min: 0, max: 1, step: 0.01, bounds: bounds.rate, title: "Input spikes per step", change: set("rate") });
  const jitter = slider({ label: "noise of its own", min: 0, max: 2, step: 0.01, bounds: bounds.jitter, title: "Standard deviation of the white noise that each neuron receives for itself", change: set("jitter") });
  const seed = slider({ label: "seed", min: 0, max: 99, step: 1, bounds: bounds.seed, change: (value) => set("seed")(Math.round(value)) });
  const steps = slider({ label: "T, steps", min: 20, max: 500, step: 10, bounds: bounds.steps, change: (value) => app.set({ steps: Math.round(value) }) });
  return {
    element: h("div", { class: "controls" }, kind.element, amplitude.element, period.element, rate.element, jitter.element, seed.element, steps.element),
    show({ input, steps: count }) {
      kind.set(input.kind);
      amplitude.set(input.amplitude);
      period.set(input.period);
      rate.set(input.rate);
      jitter.set(input.jitter);
      seed.set(input.seed);
      steps.set(count);
      period.element.hidden = !["noise", "sine", "pulses"].includes(input.kind);
      rate.element.hidden = input.kind !== "poisson";
    },
  };
}
