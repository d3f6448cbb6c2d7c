"""Tests of the SDK, without the component toolchain: `python3 -m unittest discover -t . -s tests` in this folder.

The bindings are generated for each guest; here are stand-ins for those parts of them that the SDK uses.
"""

import sys
from dataclasses import dataclass, make_dataclass
from enum import Enum
from types import ModuleType


class Kind(Enum):
    GAUGE = 0
    DELTA = 1
    CUMULATIVE = 2


@dataclass(frozen=True)
class Err(Exception):
    value: object


class Pollster:
    pass


RECORDS = {
    "Meter": ["name", "kind", "unit", "description"],
    "Sample": ["meter", "volume", "resource_id", "metadata"],
    "Volume_Count": ["value"],
    "Volume_Signed": ["value"],
    "Volume_Real": ["value"],
    "Value_Text": ["value"],
    "Value_Integer": ["value"],
    "Value_Real": ["value"],
    "Value_Flag": ["value"],
    "Value_Null": [],
    "Error_Failed": ["value"],
    "Error_Permanent": ["value"],
}


def stand_in(name: str, **contents: object) -> None:
    module = ModuleType(name)
    vars(module).update(contents)
    sys.modules[name] = module


records = {name: make_dataclass(name, fields) for name, fields in RECORDS.items()}
stand_in("componentize_py_types", Err=Err)
stand_in("wit_world.exports", Pollster=Pollster)
stand_in("wit_world.imports.types", Kind=Kind, Volume=object, Value=object, **records)
stand_in("wit_world.imports", types=sys.modules["wit_world.imports.types"])
stand_in("wit_world", exports=sys.modules["wit_world.exports"], imports=sys.modules["wit_world.imports"])
