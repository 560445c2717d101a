"""The order in which a door judges, across all partitions: numbers that rise and are never given twice."""

from __future__ import annotations

import threading

import numpy as np

from rules.arrays import Ints

#: A stamp is the receipt in epoch ms over this many bits of a number within the millisecond.
MS_BITS = 20


class Stamper:
    """Gives stamps. Where the clock was put back, or more than 2**20 fall into a millisecond, it counts on from the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    @property
    def last(self) -> int:
        """The stamp given last, 0 before the first."""
        return self._last

    def take(self, at_ms: int, count: int) -> Ints:
        """``count`` stamps, one on another, for what is judged at ``at_ms``.

        >>> stamper = Stamper()
        >>> (stamper.take(1, 2) - (1 << MS_BITS)).tolist(), (stamper.take(1, 1) - (1 << MS_BITS)).tolist()
        ([0, 1], [2])
        """
        with self._lock:
            first = max(self._last + 1, at_ms << MS_BITS)
            self._last = first + count - 1
        return np.arange(first, first + count, dtype=np.int64)
