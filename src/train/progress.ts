export interface ProgressStream {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

export interface ProgressOptions {
  /** Number of steps that make the whole. */
  total: number;
  label: string;
  /** Steps already done when the work starts (a resumed run); not counted in the rate. Default 0. */
  initial?: number;
  /** Default: standard error. */
  stream?: ProgressStream;
  /** Seconds between plain lines where the stream is no terminal. Default 5. */
  interval?: number;
  /** Writes nothing at all. */
  silent?: boolean;
}

/** Numbers to show beside the progress; `accuracy` is a fraction 0…1. */
export type ProgressFields = { loss?: number; accuracy?: number } & Record<string, number | undefined>;

export interface Progress {
  /** `done` steps of the total are done. */
  update(done: number, fields?: ProgressFields): void;
  /** Writes a line of its own above the bar. */
  log(line: string): void;
  /** Ends the progress with the summary, or with its last state. Later calls do nothing. */
  finish(summary?: string): void;
}

const redrawSeconds = 0.1;
/** Time constant of the rate's moving average. */
const rateSeconds = 5;

/** A stream that fails loses the text, not the work that it speaks of. */
function writeTo(stream: ProgressStream, text: string): void {
  try {
    stream.write(text);
  } catch {
    // There is nobody to tell.
  }
}

/** Progress of long work: one line redrawn in place on a terminal, complete plain lines elsewhere. Respects NO_COLOR. */
export function createProgress(options: ProgressOptions): Progress {
  if (options.silent) return { update() {}, log() {}, finish() {} };
  const { total, label, initial = 0, interval = 5, stream = process.stderr } = options;
  const environment = globalThis.process?.env ?? {};
  const live = Boolean(stream.isTTY) && environment.TERM !== "dumb";
  const paint = (code: number, text: string) => (live && !environment.NO_COLOR ? `\x1b[${code}m${text}\x1b[0m` : text);
  const seconds = () => performance.now() / 1000;

  let done = initial;
  let fields: ProgressFields = {};
  let rate = 0;
  let measured = { at: seconds(), done: initial };
  let written = live ? -Infinity : seconds();
  let open = true;

  /** The parts of the line, each with the order in which they give way on a narrow terminal (0 never does). */
  function parts(): { text: string; rank: number }[] {
    const fraction = total > 0 ? Math.min(1, done / total) : 1;
    const { loss, accuracy, ...others } = fields;
    return [
      { text: label, rank: 0 },
      { text: `${done}/${total}`, rank: 5 },
      { text: `${Math.floor(fraction * 100)}%`, rank: 0 },
      { text: formatField("loss", loss), rank: 2 },
      { text: formatField("accuracy", accuracy), rank: 1 },
      ...Object.entries(others).map(([name, value]) => ({ text: formatField(name, value), rank: 6 })),
      { text: rate > 0 ? `${formatRate(rate)} steps/s` : "", rank: 4 },
      { text: rate > 0 && done < total ? `ETA ${formatDuration((total - done) / rate)}` : "", rank: 3 },
    ].filter(({ text }) => text !== "");
  }

  function redraw(): void {
    const width = (stream.columns ?? 80) - 1;
    let shown = parts();
    const length = () => shown.reduce((sum, { text }) => sum + text.length + 2, -2);
    while (length() > width && shown.some(({ rank }) => rank > 0)) {
      const first = Math.max(...shown.map(({ rank }) => rank));
      shown = shown.filter(({ rank }) => rank < first);
    }
    const texts = shown.map(({ text }) => text);
    const room = Math.min(30, width - length() - 2);
    if (room >= 8) {
      const filled = total > 0 ? Math.min(room, Math.floor((done / total) * room)) : room;
      texts.splice(1, 0, paint(36, "█".repeat(filled)) + paint(2, "░".repeat(room - filled)));
    } else if (length() > width) texts.splice(0, texts.length, texts.join("  ").slice(0, Math.max(0, width)));
    writeTo(stream, `\r\x1b[2K${texts.join("  ")}`);
  }

  const writeLine = (line: string) => writeTo(stream, `${live ? "\r\x1b[2K" : ""}${line}\n`);
  const plainLine = () => parts().map(({ text }) => text).join("  ");

  return {
    update(nowDone, nowFields = {}) {
      if (!open) return;
      const now = seconds();
      const elapsed = now - measured.at;
      if (nowDone > measured.done && elapsed > 0) {
        const weight = rate === 0 ? 1 : 1 - Math.exp(-elapsed / rateSeconds);
        rate += weight * ((nowDone - measured.done) / elapsed - rate);
        measured = { at: now, done: nowDone };
      }
      done = nowDone;
      fields = nowFields;
      if (now - written < (live ? redrawSeconds : interval)) return;
      written = now;
      if (live) redraw();
      else writeLine(plainLine());
    },
    log(line) {
      if (!open) return;
      writeLine(line);
      if (live) redraw();
    },
    finish(summary) {
      if (!open) return;
      open = false;
      writeLine(summary ?? plainLine());
    },
  };
}

function formatField(name: string, value: number | undefined): string {
  if (value === undefined) return "";
  if (name.toLowerCase().endsWith("accuracy")) return `${name} ${(value * 100).toFixed(2)}%`;
  return `${name} ${name.toLowerCase().endsWith("loss") ? value.toFixed(4) : Number(value.toPrecision(4))}`;
}

const formatRate = (rate: number) => (rate >= 100 ? rate.toFixed(0) : rate.toPrecision(3));

/** 0:07, 12:30, 3:05:00. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const pad = (n: number) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}
