import { basename, relative } from "node:path";

/** What tells how this process was started. */
export interface Caller {
  /** The script that Node runs. */
  script: string;
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
}

/** How the command was called: "npx spikefold", "npm run -s spikefold --", "node dist/cli/main.js". */
export function invocation({ script, env, cwd }: Caller = { script: process.argv[1], env: process.env, cwd: process.cwd() }): string {
  const scriptOfCheckout = env.npm_package_name === "spikefold" && ["spikefold", "start"].includes(env.npm_lifecycle_event ?? "");
  if (scriptOfCheckout) return "npm run -s spikefold --";
  const path = script.replaceAll("\\", "/");
  // Where there are no links to scripts, npm's own starter calls the package's file.
  if (/\/(\.bin\/spikefold|node_modules\/spikefold\/dist\/cli\/main\.js)$/.test(path)) return "npx spikefold";
  if (basename(path) === "spikefold") return "spikefold";
  const near = relative(cwd, script);
  return `node ${word(near.startsWith("..") || near === "" ? script : near)}`;
}

/** A command line to go on with, as it must be typed here: `commandLine("train", "--resume", "runs/a b")`. */
export const commandLine = (...args: readonly string[]): string => [invocation(), ...args.map(word)].join(" ");

const word = (text: string): string => (/^[\w@%+=:,./\\~#-]+$/.test(text) ? text : `"${text.replaceAll(/["$`\\]/g, "\\$&")}"`);
