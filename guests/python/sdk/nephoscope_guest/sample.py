"""Building samples."""

from collections.abc import Mapping
from typing import Protocol

from wit_world.imports.types import (
    Sample,
    Value,
    Value_Flag,
    Value_Integer,
    Value_Null,
    Value_Real,
    Value_Text,
    Volume,
    Volume_Count,
    Volume_Real,
    Volume_Signed,
)

U64_MAX = 2**64 - 1
S64_MIN, S64_MAX = -(2**63), 2**63 - 1


def sample(
    meter: str,
    volume: int | float,
    *,
    resource: str | None = None,
    metadata: Mapping[str, str | int | float | bool | None] | None = None,
) -> Sample:
    """A sample of a declared meter: an `int` is exact to its last bit, a `float` is a double.

    `resource` is a part of the instance (see `disk_resource`, `vnic_resource`); left out, it is the instance. `metadata` are keys
    to add to the resource's metadata; a dotted key becomes a nested object.
    """
    values = [] if metadata is None else [(key, _value(value)) for key, value in metadata.items()]
    return Sample(meter, _volume(volume), resource, values)


class Disk(Protocol):
    """What a disk is named by: `wit_world.imports.disks.Disk` is one."""

    device: str


class Vnic(Protocol):
    """What a vnic is named by: `wit_world.imports.vnics.Vnic` is one."""

    name: str
    filterref: str | None


def disk_resource(instance_id: str, disk: Disk) -> str:
    """Ceilometer's resource id of a disk."""
    return f"{instance_id}-{disk.device}"


def vnic_resource(instance_id: str, domain: str, vnic: Vnic) -> str:
    """Ceilometer's resource id of a vnic: its network filter; without one the domain's name, the instance and the tap."""
    return f"{domain}-{instance_id}-{vnic.name}" if vnic.filterref is None else vnic.filterref


def _volume(volume: int | float) -> Volume:
    match volume:
        case float():
            return Volume_Real(volume)
        case int() if 0 <= volume <= U64_MAX:
            return Volume_Count(volume)
        case int() if S64_MIN <= volume < 0:
            return Volume_Signed(volume)
    raise ValueError(f"a volume must be a float or an integer of 64 bits, not {volume!r}")


def _value(value: str | int | float | bool | None) -> Value:
    match value:
        case None:
            return Value_Null()
        case str():
            return Value_Text(value)
        case bool():  # Before int: True is one.
            return Value_Flag(value)
        case float():
            return Value_Real(value)
        case int() if S64_MIN <= value <= S64_MAX:
            return Value_Integer(value)
    raise ValueError(f"metadata must be a scalar, an integer one of 64 bits with a sign, not {value!r}")
