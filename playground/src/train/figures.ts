import { h } from "../ui/dom.ts";
import { percent, thousands } from "../compute/format.ts";
import type { FromWorker, Progress } from "./protocol.ts";

type Message<Kind extends FromWorker["kind"]> = Extract<FromWorker, { kind: Kind }>;

/** The numbers of a training at a glance, and how often each layer fires. */
export function figures() {
  const cells = Object.fromEntries((["accuracy", "loss", "speed", "epoch"] as const).map((name) => [name, h("dd", { "data-figure": name }, "–")])) as Record<"accuracy" | "loss" | "speed" | "epoch", HTMLElement>;
  const rates = h("p", { class: "rates" }, "–");
  const cell = (title: string, value: HTMLElement) => h("div", {}, h("dt", {}, title), value);
  return {
    element: h("dl", { class: "figures five" }, cell("test accuracy", cells.accuracy), cell("loss", cells.loss), cell("samples / s", cells.speed), cell("epoch", cells.epoch), cell("firing rate by layer", h("dd", { class: "small" }, rates))),
    progress({ steps, totalSteps, epoch, samplesPerSecond }: Progress, loss: number): void {
      cells.loss.textContent = loss.toFixed(3);
      cells.speed.textContent = thousands(samplesPerSecond);
      cells.epoch.replaceChildren(String(epoch), h("small", {}, `update ${steps.at(-1)!.step} of ${totalSteps}`));
    },
    checked({ accuracy, images, rates: layers }: Message<"checked">): void {
      cells.accuracy.replaceChildren(percent(accuracy), h("small", {}, `of ${images}`));
      rates.textContent = layers.map(({ rate }) => percent(rate)).join("  ·  ");
    },
    clear(): void {
      for (const each of Object.values(cells)) each.textContent = "–";
      rates.textContent = "–";
    },
  };
}
