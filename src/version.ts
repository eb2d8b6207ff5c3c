/** Of the package; a test compares it with package.json, which a bundle does not have beside it. */
export const version = "0.1.0";
