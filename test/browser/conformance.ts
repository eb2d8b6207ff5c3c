import { openDevice } from "../../src/index.ts";
import { type ConformanceOptions, conformanceCases } from "../conformance/cases.ts";
import { check, type Finding, type Strictness } from "../conformance/check.ts";

/** Runs the conformance suite on a device of the page. */
export async function conformance(name: string, { elements, lengths, groups, ...strictness }: ConformanceOptions & Strictness): Promise<Finding & { cases: number }> {
  const device = await openDevice(name);
  const cases = conformanceCases({ elements, lengths, groups });
  const total: Finding = { failures: [], flips: 0, neurons: 0 };
  for (const each of cases) {
    const { failures, flips, neurons } = await check(device, each, strictness);
    total.failures.push(...failures);
    total.flips += flips;
    total.neurons += neurons;
  }
  await device.dispose();
  return { ...total, cases: cases.length };
}
