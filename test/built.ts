import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** Whether dist/ holds the built package, which `npm test` sees to. */
export const isBuilt = existsSync(new URL("../dist/index.js", import.meta.url));

/** The name of a test that needs the built package: says why it is skipped, where it is. */
export const needsBuild = (name: string): string => (isBuilt ? name : `${name} (skipped: there is no dist/, run npm run build)`);

/** Runs a script with Node in the project's folder, where the package can import itself by name. Rejects, with what it printed, unless it exits with 0. */
export function runScript(file: string, { cwd = root, timeout = 60_000, env = {} as Readonly<Record<string, string>> } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [file], { cwd, timeout, env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${file}: ${error.message}\n${stdout}${stderr}`));
      else resolve(stdout);
    });
  });
}
