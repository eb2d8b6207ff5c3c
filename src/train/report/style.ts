/** Nothing to choose a sample with, so all of them. */
export const styleWithoutScript: string = ".picker, #save, .save { display: none; } .sample { display: grid !important; } .sample + .sample { margin-top: 1rem; }";

export const style: string = `
:root {
  --paper: #faf9f6; --card: #ffffff; --ink: #1a1c22; --muted: #646a76; --rule: #e5e3dc; --grid: #edebe5;
  --blue: #4453c9; --orange: #d9541e; --grey: #b3b6bf; --teal: #2a9d8f; --green: #1b8046; --red: #c8323c; --band: rgb(217 84 30 / .13);
  --heat-1: #eceefb; --heat-2: #cdd2f5; --heat-3: #a3acec; --heat-4: #4b59c8; --heat-5: #3341a8; --on-heat: #ffffff; --purple: #8b3fc0; --amber: #b07d00; --pink: #c8377f;
  --gutter: 4rem;
  font: 16px/1.55 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  color: var(--ink); background: var(--paper); -webkit-text-size-adjust: 100%;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #101217; --card: #171a21; --ink: #e8eaf0; --muted: #979eac; --rule: #2a2f3a; --grid: #232833;
    --blue: #8d9bff; --orange: #ff8a57; --grey: #626a7a; --teal: #4fc3b3; --green: #5fce8d; --red: #ff7a80; --band: rgb(255 138 87 / .18);
    --heat-1: #20253a; --heat-2: #2b3359; --heat-3: #3b4683; --heat-4: #98a4ff; --heat-5: #c3caff; --on-heat: #12141c; --purple: #c792f5; --amber: #e5b93c; --pink: #ff8fc0;
  }
}
* { box-sizing: border-box; }
body { max-width: 66rem; margin: 0 auto; padding: 2.5rem clamp(1rem, 4vw, 2.5rem) 2rem; overflow-wrap: break-word; }
h1, h2, h3, h4, p, figure, dl, dd { margin: 0; }
h1 { font-size: clamp(1.7rem, 5vw, 2.5rem); line-height: 1.15; letter-spacing: -.022em; text-wrap: balance; overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; letter-spacing: -.012em; margin-bottom: 1rem; }
h3 { font-size: 1rem; }
h4 { display: flex; flex-wrap: wrap; gap: .1rem 1rem; align-items: baseline; font-size: .85rem; margin: 1.3rem 0 .5rem; padding-left: var(--gutter); }
h4 .key { font-weight: 400; font-size: .82rem; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
section { margin-top: 3rem; }
.brand { color: var(--blue); font-size: .8rem; font-weight: 650; letter-spacing: .02em; margin-bottom: .5rem; }
.lead { color: var(--muted); margin: .45rem 0 1.2rem; max-width: 44rem; }
h2 + .lead { margin-top: -.6rem; }

.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.6rem, 1fr)); border: 1px solid var(--rule); border-radius: 12px; background: var(--card); overflow: hidden; }
.figures div { display: flex; flex-direction: column-reverse; justify-content: flex-end; padding: .9rem 1.1rem; box-shadow: -1px -1px 0 var(--rule); }
.figures dt { color: var(--muted); font-size: .8rem; line-height: 1.3; }
.figures dd { font-size: 1.45rem; font-weight: 650; letter-spacing: -.02em; white-space: nowrap; font-variant-numeric: tabular-nums; }
.figures div:first-child dd { color: var(--blue); }

.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 1rem; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; padding: 1rem 1.2rem; }
section > .card + .card, .card + .charts { margin-top: 1rem; }
.warnings { border-color: var(--red); padding: 1rem 1.3rem 1.2rem; }
.warnings h2 { font-size: 1.05rem; margin-bottom: .5rem; color: var(--red); }
.card > figcaption { display: flex; flex-wrap: wrap; gap: .1rem 1rem; align-items: baseline; margin-bottom: .9rem; font-size: .85rem; }
.card > figcaption h3 { overflow-wrap: anywhere; }
.card > figcaption small { color: var(--muted); }
.save { margin-left: auto; white-space: nowrap; }
.save button { font: inherit; font-size: .72rem; letter-spacing: .03em; color: var(--muted); background: none; border: 1px solid var(--rule); border-radius: 6px; padding: .12rem .45rem; cursor: pointer; }
.save button:hover { color: var(--ink); border-color: var(--grey); }
.save button + button { margin-left: .3rem; }
.chart { padding: 1rem 1.3rem .8rem 1rem; min-width: 0; }
.plot { position: relative; margin-left: var(--gutter); touch-action: pan-y; }
.plot svg { display: block; width: 100%; height: 100%; overflow: visible; }
.chart .plot { height: 15rem; }
.tick { position: absolute; color: var(--muted); font-size: .74rem; line-height: 1; white-space: nowrap; font-variant-numeric: tabular-nums; }
.tick.y { right: 100%; margin-right: .45rem; transform: translateY(-50%); max-width: calc(var(--gutter) - 1.45rem); overflow: hidden; text-overflow: ellipsis; padding-block: .1rem; }
.tick.x { top: 100%; margin-top: .5rem; transform: translateX(-50%); }
.axis { color: var(--muted); font-size: .74rem; line-height: 1.2; }
.axis.x { text-align: center; margin: 1.35rem 0 0 var(--gutter); }
.axis.y { position: absolute; top: 50%; left: calc(-1 * var(--gutter)); writing-mode: vertical-rl; transform: translateY(-50%) rotate(180deg); white-space: nowrap; }
.histogram .plot { height: 9rem; }

path { fill: none; vector-effect: non-scaling-stroke; stroke-linejoin: round; stroke-linecap: round; }
path.grid { stroke: var(--grid); stroke-width: 1; }
path.faint { opacity: .22; stroke-width: 1; }
path.line, path.points { stroke-width: 2; }
path.dots { stroke-width: 7; }
path.train, path.test, path.spike, path.marks { stroke: var(--colour); }
path.threshold { stroke: var(--muted); stroke-width: 1; stroke-dasharray: 4 4; stroke-linecap: butt; }
path.marks { stroke-width: 1.5; opacity: .55; }
path.spikes, path.cells { stroke: var(--colour); vector-effect: none; stroke-linecap: butt; }
path.filled { fill: var(--colour); }
path.run { stroke: var(--colour); }

.train, .dense, .bar i { --colour: var(--blue); }
.test, .spike, .spikes, .marks, .bar i.neuron, .neuron, .bar i.spiking { --colour: var(--orange); }
.rest, .bar i.rest { --colour: var(--grey); }
.spiking { --colour: var(--orange); } .dead { --colour: var(--red); } .histogram .spiking { --colour: var(--blue); }
.run-0 { --colour: var(--blue); } .run-1 { --colour: var(--orange); } .run-2 { --colour: var(--teal); } .run-3 { --colour: var(--purple); }
.run-4 { --colour: var(--amber); } .run-5 { --colour: var(--pink); } .run-6 { --colour: var(--green); } .run-7 { --colour: var(--grey); }
path.dashed:not(.dots) { stroke-dasharray: 6 4; }
.scores .right { --mark: var(--green); } .scores .wrong { --mark: var(--red); }
.scores .bar i { --colour: var(--mark, var(--grey)); }

.key { white-space: nowrap; color: var(--muted); }
.key i { display: inline-block; width: 1.1em; height: 3px; border-radius: 2px; margin-right: .4em; vertical-align: .25em; background: var(--colour); }
.key.block i { width: .7em; height: .7em; vertical-align: -.02em; }
.key.dot i { width: .5em; height: .5em; border-radius: 50%; vertical-align: .1em; }
.key.threshold i, .key.dashed i { height: 0; border-radius: 0; border-top: 3px dashed var(--colour); background: none; }
.key.threshold i { border-top: 1px dashed var(--muted); }
.crosshair { position: absolute; top: 0; bottom: 0; width: 1px; background: var(--muted); pointer-events: none; }
.tip { position: absolute; top: .3rem; z-index: 1; display: grid; gap: .1rem; padding: .45rem .7rem; font-size: .8rem; line-height: 1.35; white-space: nowrap; border-radius: 8px; color: var(--ink); background: var(--card); border: 1px solid var(--rule); box-shadow: 0 4px 16px rgb(0 0 0 / .14); pointer-events: none; font-variant-numeric: tabular-nums; }
[data-chart=accuracy] .tip { top: auto; bottom: .3rem; }
[hidden] { display: none !important; }

table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--muted); font-size: .85rem; padding-bottom: .6rem; }
th { text-align: left; font-weight: 400; }
thead th { color: var(--muted); font-size: .8rem; }
.scroll { margin-top: 1rem; overflow: auto; max-height: 28rem; }
.numbers { width: 100%; }
.numbers td, .numbers thead th:not(:first-child) { text-align: right; }
.numbers th, .numbers td { padding: .32rem .3rem .32rem .8rem; border-top: 1px solid var(--grid); white-space: nowrap; }
.numbers tbody th, .pairs th, .wide th { white-space: normal; overflow-wrap: anywhere; }
.numbers th:first-child { padding-left: 0; }
.numbers thead th { border: 0; }
.best { font-weight: 650; color: var(--blue); }
.best th { font-weight: inherit; }
.settings td { max-width: 16rem; white-space: normal; overflow-wrap: anywhere; }
.numbers small { color: var(--red); }
tfoot { font-weight: 650; }
tfoot th { font-weight: inherit; }

.picker { display: flex; flex-wrap: wrap; gap: .5rem; margin-bottom: 1rem; }
.picker button { position: relative; padding: 3px; border: 2px solid transparent; border-radius: 10px; background: none; cursor: pointer; line-height: 0; }
.picker button[aria-pressed=true] { border-color: var(--blue); }
.picker button.wrong::after { content: ""; position: absolute; right: -1px; top: -1px; width: 11px; height: 11px; border-radius: 50%; background: var(--red); border: 2px solid var(--paper); }
.picker .picture { width: 46px; height: 46px; border-radius: 6px; }
.picture { image-rendering: pixelated; background: #000; }
.sample { display: grid; grid-template-columns: 15rem minmax(0, 1fr); gap: 1.2rem 2rem; padding: 1.3rem; }
.answer { position: sticky; top: 1rem; align-self: start; display: grid; grid-template-columns: auto 1fr; gap: .9rem; align-content: start; align-items: center; }
.answer .picture { width: 6.5rem; height: 6.5rem; border-radius: 10px; }
.answer h3 { font-size: 1.5rem; line-height: 1.2; overflow-wrap: anywhere; }
.answer .scores { grid-column: 1 / -1; }
p.right { color: var(--green); } p.wrong { color: var(--red); }
.answer .save { grid-column: 1 / -1; margin: 0; }
.caption { padding-left: var(--gutter); font-size: .82rem; margin-bottom: .25rem; }
.caption span { color: var(--muted); margin-left: .4rem; }
.raster + .raster, .membrane + .membrane { margin-top: .8rem; }
.raster .plot, .membrane .plot { border: 1px solid var(--rule); border-radius: 4px; overflow: clip; overflow-clip-margin: 4rem; }
.raster .plot { height: var(--height); }
.membrane .plot { height: 5.2rem; }
.plot.at::after { content: ""; position: absolute; top: 0; bottom: 0; left: calc(var(--t) / var(--steps) * 100%); width: max(2px, 100% / var(--steps)); background: var(--band); pointer-events: none; }
.scores .bar { width: 100%; }
.scores td, .scores th { padding: .1rem .35rem .1rem 0; }
.scores th { max-width: 7rem; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.scores [class] th, .scores [class] td:last-child { font-weight: 650; color: var(--mark); }

.bars { width: 100%; }
.wide { display: block; }
.wide caption { display: block; }
.wide tbody { display: grid; grid-template-columns: fit-content(35%) 1fr max-content; gap: .4rem 1rem; align-items: center; }
.wide tr { display: contents; }
.bars td:last-child { text-align: right; color: var(--muted); white-space: nowrap; }
.bar i { display: inline-block; height: .8rem; vertical-align: middle; background: var(--colour); }
.bar i:first-child { border-radius: 3px 0 0 3px; } .bar i:last-child { border-radius: 0 3px 3px 0; }
.bar i:only-child { border-radius: 3px; }
.bar { white-space: nowrap; font-size: 0; }

.confusion { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 18rem); gap: 1rem; align-items: start; }
.numbers.pairs-table td { white-space: normal; overflow-wrap: anywhere; }
.confusion .scroll { margin: 0; max-height: none; }
.matrix { border-spacing: 2px; border-collapse: separate; table-layout: fixed; width: 100%; min-width: 16rem; font-size: .78rem; }
.matrix td { text-align: center; white-space: nowrap; overflow-wrap: normal; padding: 0; height: 1.9rem; border-radius: 4px; background: var(--paper); }
.matrix thead td { background: none; height: auto; }
.matrix tbody th, .matrix tr > :first-child { width: 5.5rem; padding-right: .4rem; text-align: right; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.matrix thead th { text-align: center; font-size: inherit; padding: 0 0 .2rem; color: var(--muted); overflow: hidden; }
.matrix thead th.axis { font-size: .74rem; }
.matrix thead th.axis:first-child { text-align: right; }
.matrix thead th span { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.matrix .heat-1 { background: var(--heat-1); } .matrix .heat-2 { background: var(--heat-2); } .matrix .heat-3 { background: var(--heat-3); }
.matrix .heat-4 { background: var(--heat-4); color: var(--on-heat); } .matrix .heat-5 { background: var(--heat-5); color: var(--on-heat); }
.cells.heat-1 { --colour: var(--heat-1); } .cells.heat-2 { --colour: var(--heat-2); } .cells.heat-3 { --colour: var(--heat-3); } .cells.heat-4 { --colour: var(--heat-4); } .cells.heat-5 { --colour: var(--heat-5); }
.heat-map { aspect-ratio: 1; max-width: 34rem; border: 1px solid var(--rule); }

.columns { columns: 19rem 3; column-gap: 1rem; }
.columns > .card { break-inside: avoid; margin-bottom: 1rem; }
.columns .model td:nth-child(2) { color: var(--muted); white-space: normal; }
.columns .model th:first-child { min-width: 5rem; }
.pairs tbody { display: grid; grid-template-columns: fit-content(55%) 1fr; gap: .3rem 1.4rem; }
.pairs tr { display: contents; }
.pairs th, .columns caption { color: var(--muted); }
.pairs { display: block; }
.pairs td { overflow-wrap: anywhere; padding: 0; }
.columns caption { color: var(--ink); font-weight: 650; font-size: .95rem; }
ul { margin: 0; padding-left: 1.2rem; }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--rule); color: var(--muted); font-size: .85rem; }
footer button { margin-left: .8rem; font: inherit; color: var(--blue); background: none; border: 0; padding: 0; cursor: pointer; text-decoration: underline; text-underline-offset: .2em; }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }

@media (max-width: 46rem) {
  body { padding-top: 1.5rem; }
  section { margin-top: 2.4rem; }
  .chart { padding: .9rem .9rem .7rem .6rem; }
  .sample { grid-template-columns: minmax(0, 1fr); padding: 1rem; --gutter: 3.4rem; }
  .confusion { grid-template-columns: minmax(0, 1fr); }
  .confusion .card { padding: .9rem .7rem; }
  .matrix { font-size: .62rem; border-spacing: 1px; }
  .matrix td { height: 1.5rem; border-radius: 2px; }
  .matrix tbody th, .matrix tr > :first-child { width: 3rem; }
  .answer { position: static; }
  .wide tbody { display: block; }
  .wide tr { display: grid; grid-template: "name value" "bar bar" / 1fr fit-content(70%); gap: .15rem 1rem; padding: .3rem 0; }
  .wide .bar { grid-area: bar; }
  .wide th { grid-area: name; } .wide td:last-child { grid-area: value; white-space: normal; }
  .picker { gap: .2rem; }
}
@media print {
  :root { --paper: #fff; font-size: 12px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { max-width: none; padding: 0; }
  .picker, footer button, .save { display: none; }
  .sample[hidden] { display: grid !important; }
  .answer { position: static; }
  .card:not(.scroll), figure, tr, .lead, .figures { break-inside: avoid; }
  .raster .plot { height: calc(var(--height) * .42); }
  .membrane .plot { height: 2.4rem; }
  .raster + .raster, .membrane + .membrane { margin-top: .3rem; }
  h2, .lead { break-after: avoid; }
  .scroll { max-height: none; overflow: visible; }
  section { margin-top: 2rem; }
}
`;
