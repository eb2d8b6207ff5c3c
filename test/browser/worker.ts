import * as work from "./work.ts";

self.onmessage = async ({ data: { name, options } }) => {
  try {
    self.postMessage({ result: await work[name as "neurons"](options) });
  } catch (error) {
    self.postMessage({ error: (error as Error).message });
  }
};
