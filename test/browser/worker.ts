import * as work from "./work.ts";

self.onmessage = async ({ data: { name, opening } }) => {
  try {
    self.postMessage({ result: await work[name as "neurons"](opening) });
  } catch (error) {
    self.postMessage({ error: (error as Error).message });
  }
};
