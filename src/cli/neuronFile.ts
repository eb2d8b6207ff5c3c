import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { show, suggestion } from "../check.ts";
import { FileFormatError, NeuronError, SpikefoldError } from "../errors.ts";
import type { Neuron } from "../neuron/define.ts";
import { Expr } from "../neuron/expr.ts";

const EXAMPLE = "export default defineNeuron({ … })";

/** Whether a text names a module rather than a built-in neuron: it has a path or the ending of a script. */
export const isNeuronFile = (given: string): boolean => /[/\\]|\.[cm]?[jt]s(#|$)/.test(given);

/**
 * The neuron that a module exports, "FILE.mjs" or "FILE.mjs#EXPORT": its default export, or the only neuron that it exports. In place of a neuron there may
 * be a function that makes one (or a promise of one); it is given all that `spikefold` exports, so that such a module need not import the package.
 * @throws FileFormatError if the file is missing or cannot be run, with the place in it; NeuronError if it exports no neuron, or several.
 */
export async function neuronFromFile(given: string): Promise<Neuron> {
  const [, file, name] = /^(.*?)(?:#([^#/\\]*))?$/s.exec(given)!;
  checkFile(file);
  const url = pathToFileURL(resolve(file)).href;
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw failure(file, url, error);
    }
  };
  const exported = await guarded(() => import(url) as Promise<Record<string, unknown>>);
  const [label, value] = pick(file, exported, name);
  const made = typeof value === "function" ? await guarded(async () => value(await import("../index.ts"))) : value;
  return checkNeuron(`${file}: ${label}`, made, typeof value === "function");
}

function checkFile(file: string): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found) throw new FileFormatError(`there is no file ${file}: expected a module that exports a neuron, ${EXAMPLE}`);
  if (!found.isFile()) throw new FileFormatError(`${file} is no file: expected a module that exports a neuron, ${EXAMPLE}`);
}

/** The export that is meant, and how to call it. */
function pick(file: string, exported: Record<string, unknown>, name: string | undefined): [label: string, value: unknown] {
  const names = Object.keys(exported);
  if (name !== undefined && name !== "") {
    if (!Object.hasOwn(exported, name)) throw new NeuronError(`${file} has no export ${name}${suggestion(name, names) || ";"} it exports ${names.join(", ") || "nothing"}`);
    return [`its export ${name}`, exported[name]];
  }
  if (Object.hasOwn(exported, "default")) return ["its default export", exported.default];
  const candidates = names.filter((each) => looksLikeNeuron(exported[each]));
  const makers = names.filter((each) => typeof exported[each] === "function");
  const [only, second] = candidates.length > 0 ? candidates : makers;
  if (only === undefined) throw new NeuronError(`${file} exports no neuron${names.length > 0 ? `, but ${names.join(", ")}` : ""}: expected ${EXAMPLE}`);
  if (second !== undefined) throw new NeuronError(`${file} has several exports that may be meant: write ${[only, second].map((each) => `${file}#${each}`).join(" or ")}`);
  return [`its export ${only}`, exported[only]];
}

function checkNeuron(what: string, value: unknown, made: boolean): Neuron {
  if (!looksLikeNeuron(value)) throw new NeuronError(`${what} ${made ? "returns" : "is"} ${show(value)}: expected a neuron, defineNeuron({ … }), or a function that returns one`);
  if (!(value.next.spike instanceof Expr)) {
    throw new NeuronError(`${what} was made by another copy of Spikefold than this command's: run the command where the file's copy is installed (npx spikefold), or export a function, ({ defineNeuron, spike }) => defineNeuron({ … })`);
  }
  return value;
}

/** By its parts: the neurons of another copy of the package are told from other objects too. */
function looksLikeNeuron(value: unknown): value is Neuron {
  if (typeof value !== "object" || value === null) return false;
  const { name, state, inputs, params, next, step } = value as Partial<Neuron>;
  return typeof name === "string" && typeof step === "function" && Array.isArray(inputs) && [state, params, next].every((part) => typeof part === "object" && part !== null);
}

/** What was thrown while a module was loaded or its function ran, with the line of the module where there is one. */
function failure(file: string, url: string, error: unknown): SpikefoldError {
  if (!(error instanceof Error)) return new FileFormatError(`${file} throws ${show(error)}`, { cause: error });
  const { code, message, stack = "" } = error as NodeJS.ErrnoException;
  if (code === "ERR_MODULE_NOT_FOUND") {
    const missing = /Cannot find (?:package|module) '([^']+)'/.exec(message)?.[1] ?? message;
    const hint = missing === "spikefold" ? ": npm install spikefold beside it, or export a function, ({ defineNeuron, spike }) => defineNeuron({ … }), which is given the package" : "";
    return new FileFormatError(`${file} imports ${missing}, which is not there${hint}`, { cause: error });
  }
  if (code === "ERR_UNKNOWN_FILE_EXTENSION") return new FileFormatError(`${file}: this Node (${process.version}) does not run files of this kind: compile it to .mjs first`, { cause: error });
  const line = /^:(\d+)/.exec(stack.split(url)[1] ?? "")?.[1] ?? (error instanceof SyntaxError ? lineOfSyntaxError(file) : undefined);
  const place = line === undefined ? file : `${file}:${line}`;
  return error instanceof SpikefoldError ? new NeuronError(`${place}: ${message}`, { cause: error }) : new FileFormatError(`${place}: ${error.name}: ${message}`, { cause: error });
}

/** The error itself does not say where it is. */
const lineOfSyntaxError = (file: string): string | undefined => /:(\d+)$/m.exec(spawnSync(process.execPath, ["--check", file], { encoding: "utf8" }).stderr)?.[1];
