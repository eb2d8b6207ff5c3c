/** Whether this is Node, or a runtime with Node's built-in modules; not a page or one of its workers. */
export const inNode = typeof process === "object" && process.versions?.node !== undefined;

/**
 * One of Node's own modules; in a browser an empty object. Importing them instead would stop bundlers, which look for all that a page
 * could import: `test/architecture.test.ts` sees to it that the command alone does.
 */
export const nodeModule = (inNode ? process.getBuiltinModule : () => ({})) as typeof process.getBuiltinModule;
