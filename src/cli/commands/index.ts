import type { Command } from "../command.ts";
import { benchCommand } from "./bench.ts";
import { devicesCommand } from "./devices.ts";
import { evaluateCommand } from "./evaluate.ts";
import { exportCommand } from "./export.ts";
import { kernelCommand } from "./kernel.ts";
import { launchCommand } from "./launch.ts";
import { planCommand } from "./plan.ts";
import { reportCommand } from "./report.ts";
import { simulateCommand } from "./simulate.ts";
import { trainCommand } from "./train.ts";

/** Every subcommand, in the order of the overview. */
export const commands: readonly Command[] = [trainCommand, launchCommand, evaluateCommand, reportCommand, simulateCommand, benchCommand, kernelCommand, planCommand, exportCommand, devicesCommand];
