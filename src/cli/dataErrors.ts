import { FileFormatError } from "../errors.ts";

/** Loads a data set. Errors of the loaders speak of a directory that is passed to them: here it comes from --data. */
export async function withDataOption<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if (!(error instanceof FileFormatError)) throw error;
    const message = error.message.replace(/pass (the|that) directory/, "pass --data DIR, $1 directory");
    throw new FileFormatError(message.includes("--data") ? message : `${message} (--data DIR says where the files are)`, { cause: error });
  }
}
