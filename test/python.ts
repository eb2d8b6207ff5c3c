import { execFile, execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe } from "vitest";
import { root } from "./built.ts";

/** A Python by SPIKEFOLD_PYTHON, the virtual environment that `.ci/run` makes, or the one on the path. */
const interpreter = process.env.SPIKEFOLD_PYTHON ?? [join(root, ".venv-python/bin/python")].find((path) => existsSync(path)) ?? "python3";

/** Checkouts of other libraries, folders by their names, where Python has them not installed. */
export const checkouts = process.env.SPIKEFOLD_PEERS;

/** Which of these modules Python cannot import; "python" where there is none. */
export function missingModules(...modules: string[]): string[] {
  const folders = checkouts === undefined ? [] : modules.map((name) => join(checkouts, name)).filter((path) => existsSync(path));
  const script = `import importlib.util, sys; sys.path[:0] = ${JSON.stringify(folders)}; print(*[name for name in ${JSON.stringify(modules)} if importlib.util.find_spec(name) is None])`;
  try {
    return execFileSync(interpreter, ["-c", script], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim().split(" ").filter((name) => name !== "");
  } catch {
    return ["python"];
  }
}

/** Tests that run Python; they are skipped by name where it lacks a module. */
export function describeWithPython(name: string, needed: readonly string[], tests: () => void): void {
  const missing = missingModules(...needed);
  describe.skipIf(missing.length > 0)(`${name}${missing.length > 0 ? ` (skipped: Python, .venv-python or SPIKEFOLD_PYTHON, lacks ${missing.join(", ")})` : ""}`, tests);
}

/** What a script prints. Rejects, with what it said, unless it exits with 0. */
export function runPython(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(interpreter, args, { cwd: root, env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", ...env }, maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`python ${args.join(" ")}: ${error.message}\n${stderr}`));
      else resolve(stdout);
    });
  });
}
