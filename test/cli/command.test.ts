import { describe, expect, it } from "vitest";
import { commands } from "../../src/cli/commands/index.ts";
import { main, spikefold } from "./spikefold.ts";

const run = ([name, ...args]: string[]): Promise<number> => commands.find((command) => command.name === name)!.run(args);

describe("the command line", () => {
  it("explains itself and every command", async () => {
    const { code, stdout } = await spikefold(["help"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/Exit codes: 0 .*1 .*2 .*130/);
    for (const { name, usage } of commands) {
      expect(stdout).toMatch(new RegExp(`^  ${name} `, "m"));
      expect(usage).toContain(`Usage: spikefold ${name}`);
    }
    const [help, option] = await Promise.all([spikefold(["help", "plan"]), spikefold(["plan", "--help"])]);
    expect(help).toEqual(option);
    expect(help).toMatchObject({ code: 0, stderr: "", stdout: expect.stringContaining("Usage: spikefold plan") });
    expect(await spikefold([])).toMatchObject({ code: 2, stdout: "" });
  });

  it("tells which command was meant", async () => {
    const { code, stdout, stderr } = await spikefold(["simulat", "lif"]);
    expect([code, stdout, stderr.trimEnd().split("\n").length]).toEqual([2, "", 1]);
    expect(stderr).toMatch(/no command "simulat": did you mean simulate\?/);
    expect((await spikefold(["help", "kernal"])).stderr).toMatch(/did you mean kernel\?/);
    expect((await spikefold(["--verison"])).stderr).toMatch(/no command "--verison": did you mean --version\?/);
    expect((await spikefold(["hlep"])).stderr).toMatch(/did you mean help\?/);
    expect((await spikefold(["help", "hlep"])).stderr).not.toContain("did you mean help?");
  });

  it.each<[string, string[], RegExp]>([
    ["what is timed", ["bench", "neurn"], /did you mean neuron\?/],
    ["an option", ["plan", "lif", "--step", "5"], /no option --step: did you mean --steps\?/],
    ["an option with a value", ["plan", "lif", "--setps=5"], /no option --setps: did you mean --steps\?/],
    ["an option with one dash", ["plan", "lif", "-steps", "5"], /no option -steps: did you mean --steps\?/],
    ["an option without dashes", ["train", "mnist", "epochs", "3"], /"epochs" is one argument too many after mnist; did you mean --epochs\?/],
    ["a neuron", ["plan", "leeky"], /unknown neuron "leeky": did you mean leaky\?/],
    ["a neuron to time", ["bench", "neuron", "--neuron", "snaptic"], /did you mean synaptic\?/],
    ["a data set", ["train", "fashon-mnist"], /did you mean fashion-mnist\?/],
    ["a model", ["train", "mnist", "--model", "convv"], /--model is "convv": did you mean conv\?/],
    ["a target", ["kernel", "lif", "--target", "wgls"], /did you mean wgsl\?/],
  ])("tells what was meant: %s", (_, args, message) => expect(run(args)).rejects.toThrow(expect.objectContaining({ name: "UsageError", message: expect.stringMatching(message) })));

  it.each<[string, string[], RegExp]>([
    ["an argument too many", ["plan", "lif", "leaky"], /"leaky" is one argument too many after lif/],
    ["an argument where there are options alone", ["devices", "all"], /"all" is one argument too many: it takes options alone/],
    ["no value", ["plan", "lif", "--steps"], /--steps needs a value: --steps T/],
    ["an option for a value", ["plan", "lif", "--steps", "--json"], /--steps needs a value/],
    ["a value of a flag", ["plan", "lif", "--json=yes"], /--json takes no value, got "yes"/],
    ["threads of no number of neurons", ["plan", "lif", "--threads", "2"], /--threads is for --size N/],
    ["options that contradict", ["bench", "neuron", "--no-baseline", "--budget", "3"], /exclude each other/],
    ["nothing like any option", ["plan", "lif", "--colour"], /no option --colour$/],
  ])("refuses %s", (_, args, message) => expect(run(args)).rejects.toThrow(expect.objectContaining({ name: "UsageError", message: expect.stringMatching(message) })));

  it("says of so many neurons whether the cpu runs chunks of time side by side", async () => {
    const { stdout } = await spikefold(["plan", "lif", "--steps", "16384", "--size", "8", "--threads", "2", "--json"]);
    const { time, text } = JSON.parse(stdout);
    expect(time).toMatchObject({ size: 8, threads: 2, backward: { division: { chunks: 4, steps: 4096, rest: 0 }, reason: expect.stringContaining("24 of 32 lanes idle") } });
    expect(text).toMatch(/T = 16384 of N = 8 on a cpu of 2 threads:\n {2}forward: in chunks of time side by side: .*\n {2}backward: in chunks/);
    expect((await spikefold(["plan", "lif", "--steps", "16384", "--size", "128", "--threads", "2", "--inference"])).stdout).toMatch(/forward: one step after the other: 128 neurons keep all 32 lanes of 2 threads busy\n$/);
  });

  it("takes a negative number for a value", async () => {
    expect((await spikefold(["simulate", "lif", "--current", "-1", "--noise", "0", "--steps", "5", "--neurons", "1"])).stdout).toContain("·····  0 spikes");
  });

  it("names itself as it was called", async () => {
    const scripts = { npm_package_name: "spikefold", npm_lifecycle_event: "spikefold" };
    expect((await spikefold(["plan", "--stepp"], { env: { npm_lifecycle_event: "" } })).stderr).toContain(`(see node ${main} plan --help)`.replace(`${process.cwd()}/`, ""));
    expect((await spikefold(["plan", "--stepp"], { env: scripts })).stderr).toContain("(see npm run -s spikefold -- plan --help)");
  });

  it("times the fused kernels alone on request", async () => {
    const { code, stdout } = await spikefold(["bench", "neuron", "--neurons", "64", "--steps", "4", "--repetitions", "2", "--no-baseline"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/both +[\d.]+ +– +– /);
    expect(stdout).toContain("stepwise: left out: not asked for");
  });

  it.each([["devices"], ["plan", "lif"], ["kernel", "lif"], ["simulate", "lif"], ["bench", "neuron", "--neurons", "64", "--steps", "4", "--repetitions", "1"]])("prints one JSON object and nothing else on stdout: %s", async (...args) => {
    const { code, stdout } = await spikefold([...args, "--json"]);
    expect(code).toBe(0);
    expect(stdout.trimEnd().split("\n")).toHaveLength(1);
    expect(typeof JSON.parse(stdout)).toBe("object");
  });
});
