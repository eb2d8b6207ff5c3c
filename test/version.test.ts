import { expect, it } from "vitest";
import manifest from "../package.json" with { type: "json" };
import { version } from "../src/version.ts";

it("says the package's version", () => expect(version).toBe(manifest.version));
