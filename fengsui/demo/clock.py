"""The demo's clock: runs ahead through the day that is played until it has caught up with the wall clock."""

from __future__ import annotations

import threading
from collections.abc import Callable


class DemoClock:
    """Epoch milliseconds that only the player moves on, never past the wall clock and never back. Thread-safe.

    The whole system lives by it, so that what is played happens now for every part of it.
    """

    def __init__(self, start_ms: int, wall: Callable[[], int]) -> None:
        self._wall = wall
        self._lock = threading.Lock()
        self._now_ms = min(start_ms, wall())
        self._live = False

    def __call__(self) -> int:
        with self._lock:
            if self._live:
                self._now_ms = max(self._now_ms, self._wall())
            return self._now_ms

    @property
    def live(self) -> bool:
        """Has it caught up? From then on it is the wall clock."""
        return self._live

    def move_to(self, at_ms: int) -> int:
        """Moves on to an instant, or to the wall clock where that is less; the time it then is."""
        with self._lock:
            wall_ms = self._wall()
            self._live = self._live or at_ms >= wall_ms
            self._now_ms = max(self._now_ms, min(at_ms, wall_ms))
            return self._now_ms
