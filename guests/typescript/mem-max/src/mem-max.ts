// mem.max: the maximum memory of an instance, in MiB.

import { inspect } from "nephoscope:meter/memory@0.1.0";
import type { Sample } from "nephoscope:meter/types@0.1.0";

import { definePollster, meter, sample } from "../sdk/index.js";

const BYTES_PER_MIB = 1024 * 1024;

function poll(): Sample[] {
  // What is missing throws; the runtime then skips the instance, or reports it.
  const { maximum } = inspect();
  return [sample("mem.max", Number(maximum) / BYTES_PER_MIB)];
}

export const pollster = definePollster({
  meters: [meter.gauge("mem.max", "MiB", "Maximum memory of the instance")],
  poll,
});
