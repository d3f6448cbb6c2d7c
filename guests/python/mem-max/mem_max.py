"""mem.max: the maximum memory of an instance, in MiB."""

from nephoscope_guest import Sample, meter, pollster, sample
from wit_world.imports import memory

BYTES_PER_MIB = 1024 * 1024


def poll() -> list[Sample]:
    # What is missing raises; the runtime then skips the instance, or reports it.
    reading = memory.inspect()
    return [sample("mem.max", reading.maximum / BYTES_PER_MIB)]


Pollster = pollster([meter.gauge("mem.max", "MiB", "Maximum memory of the instance")], poll)
