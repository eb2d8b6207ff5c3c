// Part b in words and figures: one layer of neurons against the peers'.
import { digits, percent, table } from "./markdown.mjs";

/**
 * @typedef {{ contestant: string, T: number, N: number, dtype: string, direction: string, medianMs: number, minimumMs: number, maximumMs: number, repetitions: number, clock: string, GBs?: number, ofCopy?: number, firingRate?: number }} Result
 * @typedef {{ name: string, what: string, present: boolean, reason?: string }} Contestant
 * @typedef {{ T: number, N: number, dtype: string, contestant?: string, direction?: string, reason: string }} Skip
 * @typedef {{ date: string, measurement: boolean, command: string, machine: { description: string }, versions: Record<string, string>, contestants: Contestant[], hostMicroseconds: Record<string, { medianUs: number }>, results: Result[], skipped: Skip[] }} Report
 */

/**
 * Where several reports hold the same case, the last one counts. `chart` is an SVG of all bars.
 * @param {readonly Report[]} reports of one machine @param {{ steps: string, neurons?: string }} options T and N of the tables with one case
 */
export function neurons(reports, options) {
  const caseOf = (/** @type {{ contestant?: string, T: number, N: number, dtype: string, direction?: string }} */ { contestant, T, N, dtype, direction }) => [contestant, T, N, dtype, direction].join();
  const results = [...new Map(reports.flatMap((report) => report.results).map((result) => [caseOf(result), result])).values()];
  const measured = reports.every(({ measurement }) => measurement);
  const warning = measured ? "" : "Not a measurement: there was no GPU; these figures only show that the benchmark runs.";

  const unique = (/** @type {(result: Result) => number} */ of) => [...new Set(results.map(of))].sort((a, b) => a - b);
  const [allSteps, allNeurons] = [unique(({ T }) => T), unique(({ N }) => N)];
  const nearest = (/** @type {number[]} */ among, /** @type {number} */ wanted) => among.toSorted((a, b) => Math.abs(Math.log2(a / wanted)) - Math.abs(Math.log2(b / wanted)))[0];
  const T = nearest(allSteps, Number(options.steps));
  const N = nearest(allNeurons, Number(options.neurons ?? 2 ** 22));
  const dtypes = ["fp32", "bf16"].filter((dtype) => results.some((result) => result.dtype === dtype));
  const names = [...new Set(reports.flatMap(({ contestants }) => contestants.map(({ name }) => name)))];

  const find = (/** @type {string} */ contestant, /** @type {string} */ dtype, /** @type {string} */ direction, steps = T, neurons = N) =>
    results.find((each) => each.contestant === contestant && each.dtype === dtype && each.direction === direction && each.T === steps && each.N === neurons);
  const count = (/** @type {number} */ n) => (n % 2 ** 20 === 0 ? `${n / 2 ** 20} M` : n % 1024 === 0 ? `${n / 1024} K` : String(n));
  const time = (/** @type {Result | undefined} */ result) => (result ? `${digits(result.medianMs)}${result.clock === "host" ? "†" : ""}` : "–");

  const last = /** @type {Report} */ (reports.at(-1));
  const sections = [
    `A launch costs the host ${last.hostMicroseconds.emptyKernel.medianUs.toFixed(1)} µs, a whole fused forward call ${last.hostMicroseconds.fusedForward.medianUs.toFixed(1)} µs. Medians in ms.\n`,
    ...dtypes.map((dtype) => {
      const rows = names.filter((name) => name !== "copy" && find(name, dtype, "forward")).map((name) => {
        const [forward, backward, both] = ["forward", "backward", "both"].map((direction) => find(name, dtype, direction));
        const mine = find("spikefold", dtype, "both");
        return [name, time(forward), time(backward), time(both), both && mine ? `${digits(both.medianMs / mine.medianMs)}×` : "–", percent(forward?.ofCopy), percent(backward?.ofCopy), forward?.firingRate === undefined ? "–" : `${(100 * forward.firingRate).toFixed(1)} %`];
      });
      return `### T = ${T}, N = ${count(N)}, ${dtype}\n\n${table(["contestant", "forward", "backward", "both", "time of ours", "forward, of copy", "backward, of copy", "firing"], rows)}`;
    }),
    ...dtypes.map((dtype) => `### Fused LIF, forward / backward, share of a copy's rate, ${dtype}\n\n${table(["T", ...allNeurons.map((n) => `N = ${count(n)}`)], allSteps.map((steps) => [String(steps), ...allNeurons.map((n) =>
      `${percent(find("spikefold", dtype, "forward", steps, n)?.ofCopy)} / ${percent(find("spikefold", dtype, "backward", steps, n)?.ofCopy)}`)]))}`),
    ...dtypes.map((dtype) => {
      const rivals = names.filter((name) => name !== "spikefold" && results.some((each) => each.contestant === name && each.dtype === dtype && each.direction === "both"));
      return `### Forward + backward, times ours takes, N = ${count(N)}, ${dtype}\n\n${table(["T", ...rivals], allSteps.map((steps) => [String(steps), ...rivals.map((name) => {
        const [theirs, mine] = [find(name, dtype, "both", steps), find("spikefold", dtype, "both", steps)];
        return theirs && mine ? `${digits(theirs.medianMs / mine.medianMs)}×` : "–";
      })]))}`;
    }),
    ...(results.some(({ clock }) => clock === "host") ? ["† by the host's clock, the device synchronised.\n"] : []),
    ...missing(),
    `By ${reports.map(({ command }) => `\`${command}\``).join("; ")}.\n`,
  ];
  return { text: sections.join("\n"), chart: chart() };

  /** What was not timed, and why. */
  function missing() {
    const absent = last.contestants.filter(({ present }) => !present).map(({ name, reason }) => `- ${name}: ${reason}`);
    const timed = new Set(results.map(caseOf));
    /** @type {Map<string, string[]>} */
    const skipped = new Map();
    for (const skip of reports.flatMap((report) => report.skipped)) {
      if (timed.has(caseOf(skip))) continue;
      const line = `- ${skip.contestant ? `${skip.contestant} ${skip.direction}` : "all"}: ${skip.reason}`;
      skipped.set(line, [...(skipped.get(line) ?? []), `T = ${skip.T}, N = ${count(skip.N)}, ${skip.dtype}`]);
    }
    const lines = [...skipped].map(([line, cases]) => `${line} (${cases.join("; ")})`);
    return absent.length + lines.length > 0 ? [`### Not timed\n\n${[...absent, ...lines].join("\n")}\n`] : [];
  }

  /** Forward + backward of every contestant as bars on a logarithmic scale. */
  function chart() {
    const bars = names.flatMap((name) => dtypes.flatMap((dtype) => {
      const result = find(name, dtype, "both");
      return result ? [{ name, dtype, ms: result.medianMs }] : [];
    })).sort((a, b) => a.ms - b.ms);
    const [left, width, row, top] = [210, 720, 24, 58];
    const low = 10 ** Math.floor(Math.log10(Math.min(...bars.map(({ ms }) => ms))));
    const high = 10 ** Math.ceil(Math.log10(Math.max(...bars.map(({ ms }) => ms)) * 1.01));
    const x = (/** @type {number} */ ms) => left + ((width - left - 60) * Math.log10(ms / low)) / Math.log10(high / low);
    const height = top + bars.length * row + 34;
    const ticks = Array.from({ length: Math.round(Math.log10(high / low)) + 1 }, (_, i) => low * 10 ** i);
    const escape = (/** @type {string} */ text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="13">`,
      `<rect width="${width}" height="${height}" fill="#fff"/>`,
      `<text x="12" y="22" font-size="15" font-weight="600">LIF forward + backward, T = ${T}, N = ${count(N)}: ms, logarithmic</text>`,
      `<text x="12" y="42" fill="${measured ? "#666" : "#b00020"}">${escape(warning || last.machine.description)}</text>`,
      ...ticks.map((ms) => `<path d="M${x(ms).toFixed(1)} ${top - 4}V${height - 24}" stroke="#ddd"/><text x="${x(ms).toFixed(1)}" y="${height - 8}" text-anchor="middle" fill="#666">${ms >= 1 ? ms : Number(ms.toPrecision(1))}</text>`),
      ...bars.map(({ name, dtype, ms }, i) => {
        const y = top + i * row;
        const mine = name.startsWith("spikefold");
        return `<text x="${left - 8}" y="${y + 15}" text-anchor="end">${escape(name)}, ${dtype}</text><rect x="${left}" y="${y + 3}" width="${Math.max(1, x(ms) - left).toFixed(1)}" height="${row - 8}" fill="${mine ? "#2563eb" : "#9ca3af"}"${dtype === "bf16" ? ' fill-opacity="0.6"' : ""}/><text x="${(x(ms) + 5).toFixed(1)}" y="${y + 15}" fill="#333">${digits(ms)}</text>`;
      }),
      "</svg>",
      "",
    ].join("\n");
  }
}
