import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { inject } from "vitest";
import { root } from "../built.ts";
import { once } from "../once.ts";

const run = promisify(execFile);

/** A user's project outside the checkout, with the packed package installed and nothing else but what it depends on. */
export interface Project {
  readonly directory: string;
  /** Of the tarball. */
  readonly packedBytes: number;
  /** Its files, relative to the package. */
  readonly packedFiles: readonly string[];
  /** Puts another package of the checkout's into the project. */
  add(name: string): Promise<void>;
  write(file: string, text: string): Promise<string>;
  /** Runs Node with these arguments in the project's folder and returns what it prints. */
  node(...args: string[]): Promise<string>;
  /** As `npx spikefold` does. */
  command(...args: string[]): Promise<string>;
  close(): Promise<void>;
}

/** Packs what is in dist/ and installs the tarball in an empty folder, without a network. */
export async function createProject(): Promise<Project> {
  const directory = await mkdtemp(join(tmpdir(), "spikefold-project-"));
  const at = (...parts: string[]): string => join(directory, ...parts);
  const packed = await once(inject("shared"), "packed", (destination) =>
    run("npm", ["pack", "--ignore-scripts", "--offline", "--pack-destination", destination], { cwd: root, maxBuffer: 1 << 24 }));
  const [tarball] = (await readdir(packed)).map((name) => join(packed, name));
  const installed = at("node_modules", "spikefold");
  await mkdir(installed, { recursive: true });
  await run("tar", ["-xzf", tarball, "-C", installed, "--strip-components", "1"]);
  const files = await readdir(installed, { recursive: true, withFileTypes: true });
  const project: Project = {
    directory,
    packedBytes: (await stat(tarball)).size,
    packedFiles: files.filter((file) => file.isFile()).map(({ parentPath, name }) => relative(installed, join(parentPath, name))),
    async add(name) {
      await mkdir(dirname(at("node_modules", name)), { recursive: true });
      await symlink(join(root, "node_modules", name), at("node_modules", name));
    },
    async write(file, text) {
      await mkdir(dirname(at(file)), { recursive: true });
      await writeFile(at(file), text);
      return at(file);
    },
    async node(...args) {
      try {
        return (await run(process.execPath, args, { cwd: directory, timeout: 50_000, maxBuffer: 1 << 24 })).stdout;
      } catch (error) {
        const { message, stdout: out, stderr } = error as Error & { stdout: string; stderr: string };
        throw new Error(`${message}\n${out}${stderr}`, { cause: error });
      }
    },
    command: (...args) => project.node(at("node_modules/spikefold/dist/cli/main.js"), ...args),
    close: () => rm(directory, { recursive: true, force: true }),
  };
  await project.add("@jax-js/jax");
  await project.write("package.json", JSON.stringify({ name: "project", private: true, type: "module" }));
  if (!existsSync(at("node_modules/spikefold/package.json"))) throw new Error("the tarball holds no package");
  return project;
}

/** Copies files of the checkout into the project. */
export const copyInto = async ({ directory }: Project, from: string, to: string): Promise<void> => cp(join(root, from), join(directory, to), { recursive: true });
