import { OptionError } from "../errors.ts";
import type { TrainingPosition } from "./checkpoint.ts";
import type { Setup } from "./manifest.ts";
import type { Schedule, SchedulePosition, ScheduleState } from "./schedule.ts";
import type { FitOptions } from "./trainerOptions.ts";

/** What a trainer had trained before a call of `fit`: random streams, numbers of epochs and updates, and the schedule go on from there. */
export interface Before {
  /** Begun, whole or not. */
  readonly epochs: number;
  readonly steps: number;
}

export const NOTHING: Before = { epochs: 0, steps: 0 };

/** What it has trained when a call got to a position. */
export const afterRun = ({ epochs, steps }: Before, { epoch, batch, step }: TrainingPosition): Before => ({
  epochs: epochs + epoch + (batch > 0 ? 1 : 0), steps: steps + step,
});

/** A run's set-up holds it: a run that is resumed has it from there, whatever the trainer that goes on with it has done. */
export function withBefore(setup: Setup, { epochs, steps }: Before): Setup {
  const { epochsBefore: _epochs, stepsBefore: _steps, ...rest } = setup;
  return steps === 0 ? rest : { ...rest, epochsBefore: epochs, stepsBefore: steps };
}

export function beforeOf({ epochsBefore = 0, stepsBefore = 0 }: Setup): Before {
  const isCount = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0;
  return isCount(epochsBefore) && isCount(stepsBefore) ? { epochs: epochsBefore, steps: stepsBefore } : NOTHING;
}

type CourseOptions = Pick<FitOptions, "epochs" | "totalEpochs" | "restartSchedule">;

/** @throws OptionError if the options do not say where a schedule that leads to an end ends, or say so twice. */
export function checkCourse(schedule: Schedule, before: Before, { epochs, totalEpochs, restartSchedule = false }: CourseOptions): void {
  if (restartSchedule && totalEpochs !== undefined) throw new OptionError("totalEpochs and restartSchedule exclude each other: a schedule that begins anew is of this call's epochs");
  if (totalEpochs !== undefined && totalEpochs < before.epochs + epochs) {
    throw new OptionError(`totalEpochs is ${totalEpochs}: expected at least ${before.epochs + epochs}, ${before.epochs} epochs that the trainer has trained and ${epochs} of this call`);
  }
  if (schedule.usesTotal && before.steps > 0 && totalEpochs === undefined && !restartSchedule) {
    throw new OptionError(
      `the schedule ${schedule.name} leads to an end, and this trainer has trained ${before.epochs} ${before.epochs === 1 ? "epoch" : "epochs"} already: give fit, from its first call on, ` +
        "totalEpochs, the epochs of all calls together; or restartSchedule: true, to begin the schedule anew",
    );
  }
}

/** Updates of the whole training, as far as it is known. */
export const totalStepsOf = (before: Before, { epochs, totalEpochs = before.epochs + epochs }: CourseOptions, batchesPerEpoch: number): number =>
  before.steps + (totalEpochs - before.epochs) * batchesPerEpoch;

/** Where the schedule stands. */
export function schedulePosition(before: Before, { step, epoch }: TrainingPosition, options: CourseOptions, batchesPerEpoch: number, state?: ScheduleState): SchedulePosition {
  const from = options.restartSchedule ? NOTHING : before;
  return { step: from.steps + step, epoch: from.epochs + epoch, totalSteps: totalStepsOf(from, options, batchesPerEpoch), stepsPerEpoch: batchesPerEpoch, state };
}

/** @throws OptionError for a schedule of one's own that gives something else than a factor. */
export function factorOf(schedule: Schedule, position: SchedulePosition): number {
  const factor = schedule.factor(position);
  if (!(Number.isFinite(factor) && factor >= 0)) throw new OptionError(`schedule ${schedule.name}: the factor of update ${position.step + 1} is ${factor}: expected a finite number ≥ 0`);
  return factor;
}
