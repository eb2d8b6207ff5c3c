import { describe, expect, it } from "vitest";
import { invocation } from "../../src/cli/invocation.ts";

const cwd = "/home/me/project";

describe("the command as it was called", () => {
  it.each<[string, string, Record<string, string>, string]>([
    ["npx", `${cwd}/node_modules/.bin/spikefold`, { npm_command: "exec", npm_lifecycle_event: "npx" }, "npx spikefold"],
    ["npx from npm's cache", "/home/me/.npm/_npx/1234/node_modules/.bin/spikefold", { npm_command: "exec" }, "npx spikefold"],
    ["npm's starter on Windows", "C:\\project\\node_modules\\spikefold\\dist\\cli\\main.js", {}, "npx spikefold"],
    ["a script of another package", `${cwd}/node_modules/.bin/spikefold`, { npm_lifecycle_event: "train", npm_package_name: "mine" }, "npx spikefold"],
    ["the checkout's script", `${cwd}/dist/cli/main.js`, { npm_lifecycle_event: "spikefold", npm_package_name: "spikefold" }, "npm run -s spikefold --"],
    ["npm start", `${cwd}/dist/cli/main.js`, { npm_lifecycle_event: "start", npm_package_name: "spikefold" }, "npm run -s spikefold --"],
    ["node", `${cwd}/dist/cli/main.js`, {}, "node dist/cli/main.js"],
    ["node, from a test of the checkout", `${cwd}/dist/cli/main.js`, { npm_lifecycle_event: "test", npm_package_name: "spikefold" }, "node dist/cli/main.js"],
    ["node, from elsewhere", "/opt/my spikefold/dist/cli/main.js", {}, 'node "/opt/my spikefold/dist/cli/main.js"'],
    ["a global installation", "/usr/local/bin/spikefold", {}, "spikefold"],
  ])("%s", (_, script, env, expected) => expect(invocation({ script, env, cwd })).toBe(expected));
});
