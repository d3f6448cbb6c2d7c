"""Declarations of meters."""

from wit_world.imports.types import Kind, Meter


def gauge(name: str, unit: str, description: str) -> Meter:
    """A value at one moment, which may rise and fall."""
    return Meter(name, Kind.GAUGE, unit, description)


def delta(name: str, unit: str, description: str) -> Meter:
    """The change since the previous sample."""
    return Meter(name, Kind.DELTA, unit, description)


def cumulative(name: str, unit: str, description: str) -> Meter:
    """A counter that only grows until the instance starts again."""
    return Meter(name, Kind.CUMULATIVE, unit, description)
