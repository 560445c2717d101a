"""The generated day: every minute a pure function of the seed. It goes on day after day, each with its own noise."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from fengsui.demo.clockwork import MINUTE_MS
from fengsui.demo.filings import Filings
from fengsui.demo.noise import LONGEST_DELAY_MIN, broken, delayed
from fengsui.demo.province import Province
from fengsui.demo.readings import Readings
from fengsui.demo.roads import Roads
from fengsui.demo.talk import Talk


class Day:
    """The province's events, line by line as they arrive. About 330 a minute, half a million a day.

    ``live``: False for a file to be replayed, which holds no receipts (see :func:`fengsui.demo.noise.broken`).
    """

    def __init__(self, seed: int, *, live: bool = True) -> None:
        province = Province.build(seed)
        self.province = province
        self._seed = seed
        self._live = live
        self._parts = (Readings(province, seed), Filings(province, seed), Talk(seed), Roads(province, seed))

    def made_in(self, minute: int) -> list[tuple[int, bytes]]:
        """(arrival in epoch ms, line) of everything that happens in a minute counted from the epoch; not sorted."""
        made = [event for part in self._parts for event in part.minute(minute)]
        return delayed(made, self._seed, minute) + broken(self._seed, minute, live=self._live)

    def lines(self, from_ms: int) -> Iterator[tuple[int, bytes]]:
        """(arrival in epoch ms, line) from an instant on, in order of arrival, without end."""
        # Begins early enough to have what was delayed into the first minute.
        minute = from_ms // MINUTE_MS - LONGEST_DELAY_MIN - 1
        waiting: list[tuple[int, int, bytes]] = []
        order = 0
        while True:
            for at_ms, line in self.made_in(minute):
                if at_ms >= from_ms:
                    heapq.heappush(waiting, (at_ms, order, line))
                    order += 1
            minute += 1
            while waiting and waiting[0][0] < minute * MINUTE_MS:
                at_ms, _, line = heapq.heappop(waiting)
                yield at_ms, line
