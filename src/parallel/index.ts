export type { Pending, ProcessGroup } from "./group.ts";
export { joinGroup } from "./join.ts";
export type { JoinOptions } from "./join.ts";
export { ranksOf } from "./ranks.ts";
export type { Environment, Ranks } from "./ranks.ts";
