// The process of peers.py, peers_train.py or train-ours.mjs: starts it, hears whom it has, asks it for timings.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/**
 * @typedef {{ name: string, what: string, present: boolean, reason?: string, directions?: string[], execution?: string }} Announced
 * @typedef {{ ms?: number[], clock?: string, firingRate?: number, meanGradient?: number, error?: string, fatal?: boolean }} Reply
 * @typedef {{ program: string, script?: string, device: string, sources?: string }} PeerOptions
 */

const START_MS = 180_000;

export class Peers {
  /** @param {PeerOptions} options */
  constructor(options) {
    this.options = options;
    /** @type {Announced[]} */
    this.contestants = [];
    /** @type {Record<string, string>} */
    this.versions = {};
  }

  /** Starts the process. Where that fails, its one contestant is the failure. */
  async start() {
    const { program, script = "peers.py", device, sources } = this.options;
    const path = fileURLToPath(new URL(script, import.meta.url));
    this.process = spawn(program, [path, "--serve", "--device", device, ...(sources ? ["--sources", sources] : [])], { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" } });
    this.ended = new Promise((resolve) => {
      this.process?.once("error", (error) => resolve({ error: error.message }));
      this.process?.once("close", (code, signal) => resolve({ error: `the peers' process ended (${signal ?? code})` }));
    });
    this.process.stdin.on("error", () => {});
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
    const { error, contestants, versions, ...about } = await this.line(START_MS);
    this.contestants = error ? [{ name: "peers", what: `all of ${script}, run by ${program}`, present: false, reason: error }] : contestants;
    this.versions = versions ?? {};
    this.about = about;
  }

  /** @param {object} request @param {number} limitMs after which the process is ended, and started anew for the next request @returns {Promise<Reply>} */
  async ask(request, limitMs) {
    if (!this.process) await this.start();
    this.process?.stdin?.write(`${JSON.stringify(request)}\n`);
    const reply = await this.line(limitMs);
    if (reply.fatal) await this.stop();
    return reply;
  }

  /** The next line, or why there is none. @param {number} limitMs @returns {Promise<any>} */
  async line(limitMs) {
    /** @type {NodeJS.Timeout | undefined} */
    let timer;
    const late = new Promise((resolve) => { timer = setTimeout(resolve, limitMs, { error: `took longer than ${Math.round(limitMs / 1000)} s`, fatal: true }); });
    const next = this.lines?.next().then(({ done, value }) => (done ? this.ended?.then((end) => ({ ...end, fatal: true })) : JSON.parse(value)));
    const answer = await Promise.race([next, late]);
    clearTimeout(timer);
    return answer;
  }

  async stop() {
    const { process: child } = this;
    if (!child) return;
    this.process = undefined;
    child.stdin?.end();
    const timer = setTimeout(() => child.kill("SIGKILL"), 2000);
    await this.ended;
    clearTimeout(timer);
  }
}
