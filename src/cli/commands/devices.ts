import { devices } from "../../device/index.ts";
import type { Command } from "../command.ts";
import { describeOptions, type OptionTable, parseArguments } from "../options.ts";
import { print } from "../output.ts";

/** Where descriptions begin; each part of one has a line. */
const INDENT = 11;

const options = { json: { type: "flag", help: "print one JSON object" } } satisfies OptionTable;

export const devicesCommand: Command = {
  name: "devices",
  summary: "List the devices that can be opened here",
  usage: `Usage: spikefold devices [OPTIONS]

${describeOptions(options)}
`,
  async run(args) {
    const { values } = parseArguments(options, args);
    const found = await devices();
    print(values.json, { devices: found }, () => found.map(({ name, description }) => `${name.padEnd(INDENT)}${description.replaceAll("; ", `\n${" ".repeat(INDENT)}`)}\n`).join(""));
    return 0;
  },
};
