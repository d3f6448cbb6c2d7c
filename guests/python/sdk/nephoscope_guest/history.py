"""What a guest remembers from one poll of an instance to the next: a few whole numbers for each of its devices."""

import json
from typing import Protocol

# What stored bytes start with. Another form gets another number: a newer guest finds what an older one stored.
VERSION = b"history 1\n"

# What a counter or a difference of two is: 64 bits, with a sign or without.
LEAST, GREATEST = -(2**63), 2**64 - 1


class State(Protocol):
    """What the history is kept in: the module `wit_world.imports.state` is one."""

    def get(self, key: str) -> bytes | None: ...
    def set(self, key: str, value: bytes) -> bool: ...


class History:
    """The numbers of the last poll, and this one's as they come in.

        history = History(state)
        for disk in disks.inspect():
            if disk.read_requests is None:
                history.carry(disk.device)
                continue
            before = history.swap(disk.device, disk.read_requests)
            ...
        if not history.keep():
            log.write(log.Level.WARN, "...")

    Integers of 64 bits stay exact. A device that a poll neither swaps nor carries is forgotten: it is gone.
    """

    def __init__(self, state: State, key: str = "history") -> None:
        self._state = state
        self._key = key
        self._before = _parse(state.get(key))
        self._now: dict[str, tuple[int, ...]] = {}

    def swap(self, name: str, *now: int) -> tuple[int, ...] | None:
        """Remembers a device's numbers; what was remembered of it before, as many numbers, or None."""
        if not all(map(_is_number, now)):
            raise ValueError(f"a history is of integers of 64 bits, not {now!r}")
        self._now[name] = now
        before = self._before.get(name)
        return before if before and len(before) == len(now) else None

    def carry(self, name: str) -> None:
        """Goes on remembering what it has of a device that is there, but of which this poll has no numbers."""
        if name in self._before:
            self._now[name] = self._before[name]

    def keep(self) -> bool:
        """Stores what was remembered, for the next poll. False where it is beyond the quota: then nothing is remembered."""
        stored = self._state.set(self._key, VERSION + json.dumps(self._now).encode() if self._now else b"")
        if not stored:
            # What is there is older than this poll: the next one would count from there what this one has reported.
            self._state.set(self._key, b"")
        return stored


def grown(before: tuple[int, ...] | None, *now: int) -> tuple[int, ...] | None:
    """By how much counters grew since the last poll. None where there was none, or where one went back: the instance started anew."""
    if before is None or any(new < old for new, old in zip(now, before, strict=True)):
        return None
    return tuple(new - old for new, old in zip(now, before, strict=True))


def _parse(stored: bytes | None) -> dict[str, tuple[int, ...]]:
    """What does not read to the last number as `keep` writes it is as if it were not there."""
    if stored is None or not stored.startswith(VERSION):
        return {}
    try:
        devices = json.loads(stored.removeprefix(VERSION))
    except (ValueError, OverflowError, RecursionError):
        return {}
    if not isinstance(devices, dict):
        return {}
    if not all(isinstance(numbers, list) and all(map(_is_number, numbers)) for numbers in devices.values()):
        return {}
    return {name: tuple(numbers) for name, numbers in devices.items()}


def _is_number(number: object) -> bool:
    # Not isinstance: True would be one.
    return type(number) is int and LEAST <= number <= GREATEST
