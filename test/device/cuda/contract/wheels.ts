import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import koffi from "koffi";
import { afterAll, describe } from "vitest";
import type { Driver } from "../../../../src/device/cuda/driver.ts";
import type { Koffi } from "../../../../src/device/cuda/libraries.ts";

/** A virtual environment with NVIDIA's wheels, as .ci/run makes it; null where there is none. */
const environment = [process.env.SPIKEFOLD_NVIDIA_VENV, fileURLToPath(new URL("../../../../.venv-nvidia", import.meta.url))].find((path) => path && packagesOf(path)) ?? null;

/** The wheels' common folder, .../site-packages/nvidia. */
export const packages = environment && packagesOf(environment)!;
export const folders = { include: ["cu13/include", "cudnn/include", "nccl/include"], lib: ["cu13/lib", "cudnn/lib"] } as const;

function packagesOf(venv: string): string | null {
  const lib = join(venv, "lib");
  const pythons = existsSync(lib) ? readdirSync(lib) : [];
  return pythons.map((python) => join(lib, python, "site-packages/nvidia")).find((path) => ["cu13/lib/libnvrtc.so.13", "cu13/include/cublasLt.h", "cudnn/include/cudnn.h"].every((file) => existsSync(join(path, file)))) ?? null;
}

/** Tests of what NVIDIA's own packages say; they are skipped by name where these, or the wheel with `file`, are not installed. */
export function describeWithWheels(name: string, tests: () => void, file?: string): void {
  const lacking = packages === null || (file !== undefined && !existsSync(join(packages, file)));
  describe.skipIf(lacking)(`${name}${lacking ? ` (skipped: there ${packages === null ? "are no NVIDIA wheels" : `is no ${file}`} in .venv-nvidia or SPIKEFOLD_NVIDIA_VENV)` : ""}`, tests);
}

/** What the libraries see of a driver, on a machine that has none: the wheels are those of the active virtual environment, and no kernel is cached yet. */
export function withoutDevice(): Driver {
  const home = mkdtempSync(join(tmpdir(), "spikefold-"));
  afterAll(() => rmSync(home, { recursive: true, force: true }));
  return { koffi: koffi as unknown as Koffi, version: { major: 13, minor: 0 }, where: { env: { VIRTUAL_ENV: environment! }, home, root: home }, standIn: null } as unknown as Driver;
}
