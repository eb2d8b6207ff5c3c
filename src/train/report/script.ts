/** Runs in the report's page: values under the pointer, the time step under the pointer, one sample at a time, saving the data. */
export const script: string = `"use strict";
const saveFile = (name, blob) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
};
{
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const gap = 10;
  const round = (value) => Number(value.toFixed(2));
  const make = (parent, tag, className) => {
    const element = parent.appendChild(document.createElement(tag));
    element.className = className;
    return element;
  };
  const onPointer = (element, move, leave) => {
    const read = (event) => {
      const box = element.getBoundingClientRect();
      move((event.clientX - box.left) / box.width);
    };
    element.addEventListener("pointermove", read);
    element.addEventListener("click", read); // A tap does not move.
    element.addEventListener("pointerleave", leave);
  };

  for (const { id, x, xLabel, series } of read("chart-data")) {
    const plot = document.querySelector('[data-chart="' + id + '"]');
    const drawn = series.filter(({ points }) => points.length > 0);
    if (!plot || drawn.length === 0) continue;
    const line = make(plot, "div", "crosshair");
    const tip = make(plot, "div", "tip");
    const hide = () => { line.hidden = tip.hidden = true; };
    hide();
    onPointer(plot, (fraction) => {
      const wanted = x[0] + fraction * (x[1] - x[0]);
      const nearest = drawn.map(({ points }) => points.reduce((best, point) => Math.abs(point[0] - wanted) < Math.abs(best[0] - wanted) ? point : best));
      const at = (nearest[0][0] - x[0]) / (x[1] - x[0]);
      line.style.left = at * 100 + "%";
      tip.replaceChildren();
      make(tip, "b", "").textContent = xLabel + " " + round(nearest[0][0]);
      drawn.forEach(({ name, colour }, i) => {
        const elsewhere = Math.abs(nearest[i][0] - nearest[0][0]) > (x[1] - x[0]) / 50;
        const key = make(tip, "span", "key line " + colour);
        make(key, "i", "");
        key.append(name + " " + nearest[i][1] + (elsewhere ? " at " + round(nearest[i][0]) : ""));
      });
      line.hidden = tip.hidden = false;
      const right = line.offsetLeft + gap;
      const fits = right + tip.offsetWidth <= plot.clientWidth;
      tip.style.left = (fits ? right : Math.max(0, line.offsetLeft - gap - tip.offsetWidth)) + "px";
    }, hide);
  }

  for (const sample of document.querySelectorAll(".sample")) {
    const plots = sample.querySelectorAll(".plot");
    const clear = () => plots.forEach((plot) => plot.classList.remove("at"));
    for (const plot of plots)
      onPointer(plot, (fraction) => {
        const steps = Number(plot.dataset.steps);
        sample.style.setProperty("--t", Math.max(0, Math.min(steps - 1, Math.floor(fraction * steps))));
        plots.forEach((other) => other.classList.add("at"));
      }, clear);
  }

  const samples = [...document.querySelectorAll(".sample")];
  const buttons = [...document.querySelectorAll(".picker button")];
  buttons.forEach((button, chosen) => button.addEventListener("click", () => {
    samples.forEach((sample, i) => { sample.hidden = i !== chosen; });
    buttons.forEach((other, i) => other.setAttribute("aria-pressed", String(i === chosen)));
  }));

  const save = document.getElementById("save");
  save.addEventListener("click", () => saveFile(save.dataset.name + ".json", new Blob([document.getElementById("run-data").textContent], { type: "application/json" })));
}
`;
