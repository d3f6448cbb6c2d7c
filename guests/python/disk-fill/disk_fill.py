"""How full an instance's disks are on the host, and by how much they grew.

`disk.device.fill` is what a disk takes in percent of what the instance sees: a thin disk fills up. `disk.device.growth` is the change of
that allocation since the last poll, which is negative after a trim.
"""

import math
import re

from nephoscope_guest import Err, Error_Permanent, History, Sample, disk_resource, meter, pollster, sample
from wit_world.imports import disks, instance, log, settings, state

S64_MIN = -(2**63)


def poll() -> list[Sample]:
    instance_id = instance.id()
    warn_percent = read_warn_percent()
    history = History(state)
    samples = []
    for disk in disks.inspect():
        if disk.allocation is None:
            history.carry(disk.device)
            continue
        resource, metadata = disk_resource(instance_id, disk), {"disk_name": disk.device}
        if disk.capacity:
            fill = 100 * disk.allocation / disk.capacity
            samples.append(sample("disk.device.fill", fill, resource=resource, metadata=metadata))
            if fill >= warn_percent:
                log.write(log.Level.WARN, f"{disk.device} is {fill:.1f} % full")
        if before := history.swap(disk.device, disk.allocation):
            growth = disk.allocation - before[0]
            # A shrinkage that the contract's integers do not hold is no disk's.
            if growth >= S64_MIN:
                samples.append(sample("disk.device.growth", growth, resource=resource, metadata=metadata))
    if not history.keep():
        log.write(log.Level.WARN, "the state does not fit into limits.state_bytes: no growth is reported")
    return samples


def read_warn_percent() -> float:
    """The setting `warn_percent`; without it no disk is ever that full."""
    text = settings.get("warn_percent")
    if text is None:
        return math.inf
    # float alone would take nan, inf and 1_0 too; of too many digits it makes an infinity.
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) and math.isfinite(percent := float(text)):
        return percent
    # No later poll would fare better.
    raise Err(Error_Permanent(f"the setting warn_percent is no percentage: {text}"))


Pollster = pollster(
    [
        meter.gauge("disk.device.fill", "%", "What a disk takes on the host, of its capacity"),
        meter.delta("disk.device.growth", "B", "What a disk takes more on the host than at the last sample"),
    ],
    poll,
)
