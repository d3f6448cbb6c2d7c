"""What a guest remembers from one poll of an instance to the next: a few whole numbers for each of its devices."""

import json
from typing import Protocol


class State(Protocol):
    """What the history is kept in: the module `wit_world.imports.state` is one."""

    def get(self, key: str) -> bytes | None: ...
    def set(self, key: str, value: bytes) -> bool: ...


class History:
    """The numbers of the last poll, and this one's as they come in.

        history = History(state)
        for disk in disks.inspect():
            before = history.swap(disk.device, disk.read_requests)
            ...
        history.keep()

    Numbers of any size stay exact. A device that one poll leaves out is forgotten.
    """

    def __init__(self, state: State, key: str = "history") -> None:
        self._state = state
        self._key = key
        self._before = _parse(state.get(key))
        self._now: dict[str, tuple[int, ...]] = {}

    def swap(self, name: str, *now: int) -> tuple[int, ...] | None:
        """Remembers a device's numbers; what the last poll remembered of it, as many numbers, or None."""
        self._now[name] = now
        before = self._before.get(name)
        return before if before and len(before) == len(now) else None

    def keep(self) -> None:
        """Stores what was remembered, for the next poll."""
        if not self._state.set(self._key, json.dumps(self._now).encode()):
            # Beyond the quota. What is stored is older than this poll: the next one would count from there what this one has reported.
            self._state.set(self._key, b"")


def grown(before: tuple[int, ...] | None, *now: int) -> tuple[int, ...] | None:
    """By how much counters grew since the last poll. None where there was none, or where one went back: the instance started anew."""
    if before is None or any(new < old for new, old in zip(now, before, strict=True)):
        return None
    return tuple(new - old for new, old in zip(now, before, strict=True))


def _parse(stored: bytes | None) -> dict[str, tuple[int, ...]]:
    # An older version of the guest may have stored something else: that is as if it were not there.
    try:
        return {name: tuple(map(int, numbers)) for name, numbers in json.loads(stored or b"{}").items()}
    except (ValueError, TypeError, AttributeError):
        return {}
