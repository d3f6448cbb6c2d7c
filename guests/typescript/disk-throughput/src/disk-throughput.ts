// How fast an instance's disks are read and written.
//
// `disk.device.bytes.total` counts the bytes of a disk, `disk.device.throughput` is what came of them per second since the last poll. The
// setting `direction` is `both`, `read` or `write`.

import * as disks from "nephoscope:meter/disks@0.1.0";
import * as instance from "nephoscope:meter/instance@0.1.0";
import * as log from "nephoscope:meter/log@0.1.0";
import * as settings from "nephoscope:meter/settings@0.1.0";
import * as state from "nephoscope:meter/state@0.1.0";
import type { Error as PollError, Sample } from "nephoscope:meter/types@0.1.0";

import { History, definePollster, diskResource, grown, meter, sample } from "../sdk/index.js";

const NANOS_PER_SECOND = 1e9;

const DIRECTIONS = ["both", "read", "write"] as const;
type Direction = (typeof DIRECTIONS)[number];

function poll(): Sample[] {
  const [id, takenAt, direction] = [instance.id(), instance.takenAt(), readDirection()];
  const history = new History(state);
  const samples: Sample[] = [];
  for (const disk of disks.inspect()) {
    const bytes = bytesOf(disk, direction);
    // Each direction has a history of its own: another setting is no leap of the counter.
    const counter = `${direction} ${disk.device}`;
    if (bytes === undefined) {
      history.carry(counter);
      continue;
    }
    const details = { resource: diskResource(id, disk), metadata: { disk_name: disk.device, direction } };
    samples.push(sample("disk.device.bytes.total", bytes, details));
    const now = [bytes, takenAt] as const;
    const since = grown(history.swap(counter, now), now);
    if (since === undefined || since[1] === 0n) continue;
    const perSecond = Number(since[0]) / (Number(since[1]) / NANOS_PER_SECOND);
    samples.push(sample("disk.device.throughput", perSecond, details));
  }
  if (!history.keep()) log.write("warn", "the state does not fit into limits.state_bytes: no throughput is reported");
  return samples;
}

function readDirection(): Direction {
  const wanted = settings.get("direction") ?? "both";
  const direction = DIRECTIONS.find((known) => known === wanted);
  // No later poll would fare better.
  if (direction === undefined) throw permanent(`the setting direction is no direction: ${wanted}`);
  return direction;
}

function permanent(val: string): PollError {
  return { tag: "permanent", val };
}

/** Undefined where a counter was not reported, or where 64 bits do not hold both. */
function bytesOf({ readBytes, writeBytes }: disks.Disk, direction: Direction): bigint | undefined {
  if (direction === "read") return readBytes;
  if (direction === "write") return writeBytes;
  if (readBytes === undefined || writeBytes === undefined) return undefined;
  const both = readBytes + writeBytes;
  return BigInt.asUintN(64, both) === both ? both : undefined;
}

export const pollster = definePollster({
  meters: [
    meter.gauge("disk.device.throughput", "B/s", "Bytes of a disk per second since the last sample"),
    meter.cumulative("disk.device.bytes.total", "B", "Bytes that were read from a disk and written to it"),
  ],
  poll,
});
