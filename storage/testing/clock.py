"""A clock that a test turns."""

from storage.clock import SimulatedClock as FakeClock

__all__ = ["FakeClock"]
