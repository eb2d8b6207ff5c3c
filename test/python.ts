import { execFile, execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { root } from "./built.ts";

/** A Python by SPIKEFOLD_PYTHON, the virtual environment that `.ci/run` makes, or the one on the path. */
const python = process.env.SPIKEFOLD_PYTHON ?? [join(root, ".venv-python/bin/python")].find((path) => existsSync(path)) ?? "python3";

/** Checkouts of other libraries, folders by their names, where Python has them not installed. */
export const checkouts = process.env.SPIKEFOLD_PEERS;

/** Which of these modules Python cannot import; "python" where there is none. */
export function missingModules(...modules: string[]): string[] {
  const folders = checkouts === undefined ? [] : modules.map((name) => join(checkouts, name)).filter((path) => existsSync(path));
  const script = `import importlib.util, sys; sys.path[:0] = ${JSON.stringify(folders)}; print(*[name for name in ${JSON.stringify(modules)} if importlib.util.find_spec(name) is None])`;
  try {
    return execFileSync(python, ["-c", script], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim().split(" ").filter((name) => name !== "");
  } catch {
    return ["python"];
  }
}

/** What a script prints. Rejects, with what it said, unless it exits with 0. */
export function runPython(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(python, args, { cwd: root, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`python ${args.join(" ")}: ${error.message}\n${stderr}`));
      else resolve(stdout);
    });
  });
}
