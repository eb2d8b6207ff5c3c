import { program } from "./program.mjs";

program({ threads: globalThis.crossOriginIsolated ? 2 : 1 }).then((result) => { document.title = JSON.stringify(result); }, (error) => { document.title = JSON.stringify(String(error)); });
