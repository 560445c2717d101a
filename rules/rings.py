"""Sliding maxima, minima and counts: exact in any order of reckoning, so windows of every size share what they hold.

A key has a ring of the events that may still matter, oldest first. To a maximum only those matter that no later one exceeds, so
the ring falls, and the first event within a window is its greatest; to a count all matter. Each window keeps where in the ring
it begins, which only moves on: an event costs a few steps, whatever the sizes.
"""

from __future__ import annotations

from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.arrays import NEVER, Floats, Ints, Renumbering, grown
from rules.jit import njit
from rules.stretch import Stretch

#: What a ring is for; ROWS counts events, COUNT values.
MOST, LEAST, COUNT, ROWS = range(4)
_KINDS = {"max": MOST, "min": LEAST, "c": COUNT, "n": ROWS}
#: Columns of a key: where its ring begins in the pool, for how many there is room (a power of two), how many came so far (less those
#: that were overtaken), and when the last came.
_AT, _ROOM, _END, _LAST = range(4)
_FIRST_ROOM = 4


@njit
def _turn(
    kind: int,
    sizes: Any,
    begin: int,
    codes: Any,
    time: Any,
    value: Any,
    ring: Any,
    heads: Any,
    used: Any,
    pool_time: Any,
    pool_value: Any,
    out: Any,
) -> int:
    """Take the rows from ``begin`` on. ``sizes`` fall. -> the row at which the pool was too small, or how many there are."""
    for i in range(begin, len(codes)):
        k = codes[i]
        t = time[i]
        v = value[i]
        at = ring[k, _AT]
        room = ring[k, _ROOM]
        end = ring[k, _END]
        if kind == ROWS or not isnan(v):
            first = heads[k, 0]
            while first < end and pool_time[at + (first & (room - 1))] <= t - sizes[0]:
                first += 1
            heads[k, 0] = first
            if kind == MOST:
                while end > first and pool_value[at + ((end - 1) & (room - 1))] <= v:
                    end -= 1
            elif kind == LEAST:
                while end > first and pool_value[at + ((end - 1) & (room - 1))] >= v:
                    end -= 1
            if end - first == room:  # move to a place with more room
                wider = max(2 * room, _FIRST_ROOM)
                if used[0] + wider > len(pool_time):
                    return i
                for j in range(first, end):
                    pool_time[used[0] + (j & (wider - 1))] = pool_time[at + (j & (room - 1))]
                    pool_value[used[0] + (j & (wider - 1))] = pool_value[at + (j & (room - 1))]
                at = used[0]
                room = wider
                used[0] += wider
                ring[k, _AT] = at
                ring[k, _ROOM] = room
            pool_time[at + (end & (room - 1))] = t
            pool_value[at + (end & (room - 1))] = v
            end += 1
            ring[k, _END] = end
            ring[k, _LAST] = t
            for j in range(len(sizes)):
                heads[k, j] = min(heads[k, j], end - 1)
        for j in range(len(sizes)):
            # none begins before the widest: what it has left behind may be overwritten
            head = max(heads[k, j], heads[k, 0])
            while head < end and pool_time[at + (head & (room - 1))] <= t - sizes[j]:
                head += 1
            heads[k, j] = head
            if kind in (COUNT, ROWS):
                out[j, i] = end - head
            else:
                out[j, i] = pool_value[at + (head & (room - 1))] if head < end else np.nan
    return len(codes)


@njit
def _move(ring: Any, heads: Any, old_time: Any, old_value: Any, new_time: Any, new_value: Any, oldest: int) -> int:
    """Every ring to a new pool, as wide as it is; what is wholly older than ``oldest`` goes. -> how much of the pool is used."""
    used = 0
    for k in range(len(ring)):
        room = ring[k, _ROOM]
        if room == 0:
            continue
        if ring[k, _LAST] <= oldest:
            ring[k, :] = 0
            heads[k, :] = 0
            continue
        for j in range(heads[k, 0], ring[k, _END]):
            new_time[used + (j & (room - 1))] = old_time[ring[k, _AT] + (j & (room - 1))]
            new_value[used + (j & (room - 1))] = old_value[ring[k, _AT] + (j & (room - 1))]
        ring[k, _AT] = used
        used += room
    return used


class _Ring:
    """One statistic of one column, over windows of several sizes."""

    def __init__(self, kind: int) -> None:
        self.kind = kind
        #: falling
        self.sizes: Ints = np.zeros(0, np.int64)
        self._ring: Ints = np.zeros((64, 4), np.int64)
        self._heads: Ints = np.zeros((64, 0), np.int64)
        self._time: Ints = np.zeros(256, np.int64)
        self._value: Floats = np.zeros(256)
        self._used: Ints = np.zeros(1, np.int64)
        self._newest = NEVER
        self._done: tuple[Stretch | None, Floats] = (None, np.zeros((0, 0)))

    def ask(self, size_ms: int) -> None:
        self.sizes = np.array(sorted({*self.sizes.tolist(), size_ms}, reverse=True), np.int64)
        self._heads = np.zeros((len(self._ring), len(self.sizes)), np.int64)

    def take(self, stretch: Stretch, codes: Ints, time: Ints, value: Floats, keys: int) -> Floats:
        """The next events of a stretch, whichever of the windows asks first; -> by size and event."""
        if self._done[0] is stretch:
            return self._done[1]
        self._ring = grown(self._ring, keys, 0)
        self._heads = grown(self._heads, keys, 0)
        out = np.empty((len(self.sizes), len(codes)))
        self._newest = int(time[-1])
        begin = 0
        while True:
            begin = _turn(
                self.kind,
                self.sizes,
                begin,
                codes,
                time,
                value,
                self._ring,
                self._heads,
                self._used,
                self._time,
                self._value,
                out,
            )
            if begin == len(codes):
                break
            self._make_room(int(time[begin]))
        self._done = (stretch, out)
        return out

    def _make_room(self, now: int) -> None:
        """At least half of the new pool is free."""
        live = self._ring[:, _LAST] > now - self.sizes[0]
        size = max(256, 4 * int(self._ring[live, _ROOM].sum()))
        pool_time, pool_value = np.zeros(size, np.int64), np.zeros(size)
        oldest = now - int(self.sizes[0])
        self._used[0] = _move(self._ring, self._heads, self._time, self._value, pool_time, pool_value, oldest)
        self._time, self._value = pool_time, pool_value

    def busy(self) -> Ints:
        """Codes with an event in the widest window (as of the last event of any key)."""
        return np.flatnonzero((self._ring[:, _ROOM] > 0) & (self._ring[:, _LAST] > self._newest - self.sizes[0]))

    def renumber(self, renumbering: Renumbering) -> None:
        self._ring = renumbering.of(self._ring)
        self._heads = renumbering.of(self._heads)
        self._done = (None, self._done[1])

    def state(self) -> dict[str, Any]:
        return {
            "sizes": self.sizes,
            "ring": self._ring,
            "heads": self._heads,
            "time": self._time[: self._used[0]],
            "value": self._value[: self._used[0]],
            "newest": self._newest,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Windows of these sizes were there then; others may have been too."""
        places = np.flatnonzero(np.isin(state["sizes"], self.sizes))
        if len(places) < len(self.sizes):
            return
        # what the widest of them may still need begins where the widest of all began
        self.sizes = state["sizes"]
        self._ring, self._heads = state["ring"], state["heads"]
        self._time, self._value = state["time"], state["value"]
        self._used = np.array([len(self._time)], np.int64)
        self._newest = state["newest"]


class Rings:
    """Of all windows over the same events and keys."""

    def __init__(self) -> None:
        self._rings: dict[tuple[str, str], _Ring] = {}

    def ask(self, column: str, stat: str, size_ms: int) -> None:
        """``stat``: max, min, c (values) of a column, n (events)."""
        self._rings.setdefault((column, stat), _Ring(_KINDS[stat])).ask(size_ms)

    def take(
        self, stretch: Stretch, column: str, stat: str, size_ms: int, codes: Ints, time: Ints, value: Floats, keys: int
    ) -> NDArray[np.float64]:
        """The statistic of each event's window."""
        ring = self._rings[column, stat]
        out = ring.take(stretch, codes, time, value, keys)
        found: Floats = out[ring.sizes.tolist().index(size_ms)]
        return found

    def busy(self) -> Ints:
        return np.concatenate([np.zeros(0, np.int64), *(ring.busy() for ring in self._rings.values())])

    def renumber(self, renumbering: Renumbering) -> None:
        for ring in self._rings.values():
            ring.renumber(renumbering)

    def state(self) -> dict[str, Any]:
        return {"rings": [[*name, ring.state()] for name, ring in self._rings.items()]}

    def load(self, state: dict[str, Any]) -> None:
        for column, stat, saved in state["rings"]:
            ring = self._rings.get((column, stat))
            if ring is not None:
                ring.load(saved)
