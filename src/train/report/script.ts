/** Runs in the report's page: values under the pointer, the time step under the pointer, one sample at a time, saving the data. */
export const script = `"use strict";
{
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const make = (parent, tag, className) => {
    const element = parent.appendChild(document.createElement(tag));
    element.className = className;
    return element;
  };
  const onPointer = (element, move, leave) => {
    element.addEventListener("pointermove", (event) => {
      const box = element.getBoundingClientRect();
      move((event.clientX - box.left) / box.width);
    });
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
      line.style.left = tip.style.left = at * 100 + "%";
      tip.classList.toggle("left", at > 0.6);
      tip.replaceChildren();
      make(tip, "b", "").textContent = xLabel + " " + Number(nearest[0][0].toFixed(2));
      drawn.forEach(({ name, colour }, i) => {
        const elsewhere = Math.abs(nearest[i][0] - nearest[0][0]) > (x[1] - x[0]) / 50;
        make(tip, "span", "key line " + colour).textContent = name + " " + nearest[i][1] + (elsewhere ? " at " + nearest[i][0] : "");
      });
      line.hidden = tip.hidden = false;
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

  const picker = document.querySelector(".picker");
  if (picker) {
    const samples = [...document.querySelectorAll(".sample")];
    const buttons = [...picker.querySelectorAll("button")];
    const show = (chosen) => {
      samples.forEach((sample, i) => { sample.hidden = i !== chosen; });
      buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === chosen)));
    };
    buttons.forEach((button, i) => button.addEventListener("click", () => show(i)));
    picker.hidden = samples.length < 2;
    show(0);
  }

  const save = document.getElementById("save");
  save.hidden = false;
  save.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([document.getElementById("run-data").textContent], { type: "application/json" }));
    link.download = "run.json";
    link.click();
    URL.revokeObjectURL(link.href);
  });
}
`;
