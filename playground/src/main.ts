import { App } from "./app.ts";
import { fromHash } from "./link.ts";
import { showMachine } from "./machine.ts";
import { panels } from "./panels.ts";
import { h } from "./ui/dom.ts";
import { tabs } from "./ui/tabs.ts";

const app = new App((panel) => void open(panel));
app.engine.start();

const main = document.querySelector<HTMLElement>("#panels")!;
const sections = new Map(panels.map(({ id, title, lead }) => [id, h("section", { id: `panel-${id}`, role: "tabpanel", "aria-label": title, hidden: true }, h("p", { class: "lead" }, lead))]));
main.append(...sections.values());

const mounted = new Set<string>();

const mark = tabs(document.querySelector<HTMLElement>("#routes")!, panels.map(({ id, title }) => ({ id, title, controls: `panel-${id}`, href: `#${id}` })), (id) => app.open(id));

async function open(panel: string): Promise<void> {
  if (panel === app.panel) return;
  await show(panel);
  history.pushState(null, "", app.link);
}

async function show(wanted: string): Promise<void> {
  const panel = panels.find(({ id }) => id === wanted) ?? panels[0];
  app.panel = panel.id;
  mark(panel.id);
  document.title = `${panel.title} · Spikefold playground`;
  if (!mounted.has(panel.id)) {
    mounted.add(panel.id);
    const { mount } = await panel.load();
    mount(sections.get(panel.id)!, app);
  }
  for (const [id, section] of sections) section.hidden = id !== app.panel;
}

let timer = 0;
/** The address follows the settings, so that it can be shared; not more often than browsers allow. */
function keepAddress(): void {
  clearTimeout(timer);
  timer = window.setTimeout(() => history.replaceState(null, "", app.link), 250);
}

function readAddress(): void {
  const { panel, state } = fromHash(location.hash);
  app.set(state);
  void show(panel);
}

for (const link of document.querySelectorAll("#routes a, .brand")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    if (link.matches(".brand")) app.open(panels[0].id);
  });
}
addEventListener("hashchange", readAddress);
readAddress();
app.subscribe(keepAddress);
void showMachine(document.querySelector<HTMLElement>("#machine")!);
