"""Write Nephoscope pollsters in Python: declare meters, read the instance, return samples.

    from nephoscope_guest import Sample, meter, pollster, sample
    from wit_world.imports import memory

    def poll() -> list[Sample]:
        return [sample("mem.max", memory.inspect().maximum / 1048576)]

    Pollster = pollster([meter.gauge("mem.max", "MiB", "Maximum memory of the instance")], poll)

The readings are modules of `wit_world.imports`: those that the guest's world in `wit/world.wit` imports. Each of them needs a grant
of its name in the pipeline file, used or not.

A reading that is missing raises `Err`. Let it pass: the runtime then skips the instance or reports it, as Ceilometer's pollsters do.
"""

from componentize_py_types import Err
from wit_world.imports.types import Error_Permanent, Meter, Sample

from . import meter
from .history import History, grown
from .pollster import pollster
from .sample import disk_resource, sample, vnic_resource

__all__ = [
    "Err",
    "Error_Permanent",
    "History",
    "Meter",
    "Sample",
    "disk_resource",
    "grown",
    "meter",
    "pollster",
    "sample",
    "vnic_resource",
]
