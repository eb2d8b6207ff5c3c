/**
 * Whether this is Node, or a runtime with Node's built-in modules; not a page or one of its workers. Modules that need Node are
 * imported where this is true, with the comments `webpackIgnore: true` and `@vite-ignore`, which keep them out of bundles for browsers.
 */
export const inNode = typeof process === "object" && process.versions?.node !== undefined;
