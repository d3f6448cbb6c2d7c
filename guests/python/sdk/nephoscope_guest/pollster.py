"""What a guest exports."""

from collections.abc import Callable, Sequence

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import Error_Failed, Meter, Sample


def pollster(meters: Sequence[Meter], poll: Callable[[], list[Sample]]) -> type[exports.Pollster]:
    """The class that the component exports; the guest's module must have it as `Pollster`.

    What `poll` raises becomes the poll's error: an `Err` as it is, anything else as `failed` with its text. Left to itself, it
    would end the component without a word.
    """

    class Pollster(exports.Pollster):
        def meters(self) -> list[Meter]:
            return list(meters)

        def poll(self) -> list[Sample]:
            try:
                return poll()
            except Err:
                raise
            except Exception as error:
                raise Err(Error_Failed(_describe(error))) from error

    return Pollster


def _describe(error: Exception) -> str:
    """`ValueError: no number (mem_max.py, line 12)`: where it was raised."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    if place is None:
        return f"{type(error).__name__}: {error}"
    file = place.tb_frame.f_code.co_filename.rpartition("/")[2]
    return f"{type(error).__name__}: {error} ({file}, line {place.tb_lineno})"
