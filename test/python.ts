import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe } from "vitest";
import { root } from "./built.ts";

/** A virtual environment with the libraries of Python that we write for, as .ci/run makes it; undefined where there is none. */
const environment = [process.env.SPIKEFOLD_PYTHON_VENV, join(root, ".venv-python")].find((path) => path && existsSync(join(path, "bin/python")));

function installed(): string[] {
  const lib = environment ? join(environment, "lib") : "";
  return existsSync(lib) ? readdirSync(lib).flatMap((python) => readdirSync(join(lib, python, "site-packages"))) : [];
}

const packages = installed();

/** Tests that run Python; they are skipped by name where it lacks a package. */
export function describeWithPython(name: string, needed: readonly string[], tests: () => void): void {
  const missing = needed.filter((each) => !packages.includes(each));
  describe.skipIf(missing.length > 0)(`${name}${missing.length > 0 ? ` (skipped: .venv-python, or SPIKEFOLD_PYTHON_VENV, lacks ${missing.join(", ")})` : ""}`, tests);
}

/** What a script prints. Rejects with its traceback when it fails. */
export async function python(script: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { stdout } = await promisify(execFile)(join(environment!, "bin/python"), [script, ...args], { env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", ...env }, maxBuffer: 1 << 28 });
  return stdout;
}
