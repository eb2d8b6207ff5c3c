import { joinGroup, ranksOf } from "../../src/parallel/index.ts";
import { device } from "./kit.ts";
import { argument, object, options, optional, positive, type Row, row } from "./table.ts";

const env = { ...object, make: () => ({}) };

export const parallel: Record<string, Row> = {
  joinGroup: row(joinGroup, { options: options({ device: argument(() => device), env, joinTimeout: argument(() => 3, "number"), silenceTimeout: positive }, "device") }),
  ranksOf: row(ranksOf, { env: optional(env) }),
};
