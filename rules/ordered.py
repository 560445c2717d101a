"""Sliding quantiles and distinct counts: each key's values of the window in order, always exact.

Every key has a block of one pool in which its values stand sorted; an event puts its value in and takes those out that left the
window. A value costs as many moves as there are greater ones in its key's window, in one stretch of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.arrays import Floats, Ints, Renumbering, grown
from rules.jit import njit

#: columns of a key's block: where it begins in the pool, how many values it holds, and for how many there is room; how many differ
_AT, _SIZE, _ROOM, _DISTINCT = range(4)


@njit
def _place(pool: Any, lo: int, hi: int, value: Any) -> int:
    """The first place in [lo, hi) whose value is not below."""
    while lo < hi:
        middle = (lo + hi) // 2
        if pool[middle] < value:
            lo = middle + 1
        else:
            hi = middle
    return lo


@njit
def _take_out(pool: Any, block: Any, k: int, value: Any) -> None:
    lo = block[k, _AT]
    hi = lo + block[k, _SIZE]
    at = _place(pool, lo, hi, value)
    if at + 1 >= hi or pool[at + 1] != value:
        block[k, _DISTINCT] -= 1
    for i in range(at, hi - 1):
        pool[i] = pool[i + 1]
    block[k, _SIZE] -= 1


@njit
def _put_in(pool: Any, block: Any, k: int, value: Any) -> None:
    lo = block[k, _AT]
    hi = lo + block[k, _SIZE]
    at = _place(pool, lo, hi, value)
    if at >= hi or pool[at] != value:
        block[k, _DISTINCT] += 1
    for i in range(hi, at, -1):
        pool[i] = pool[i - 1]
    pool[at] = value
    block[k, _SIZE] += 1


@njit
def _slide(
    size: int,
    codes: Any,
    time: Any,
    value: Any,
    there: Any,
    held: Any,
    oldest: int,
    begin: int,
    pool: Any,
    block: Any,
    shares: Any,
    quantiles: Any,
    distinct: Any,
) -> int:
    """Rows ``begin`` and on of codes, time, value are new; those from ``oldest`` are in the window, if ``held`` says so. -> oldest."""
    for i in range(begin, len(codes)):
        t = time[i]
        while oldest < i and time[oldest] <= t - size:
            if held[oldest]:
                _take_out(pool, block, codes[oldest], value[oldest])
            oldest += 1
        k = codes[i]
        if there[i]:
            _put_in(pool, block, k, value[i])
            held[i] = True
        n = block[k, _SIZE]
        distinct[i - begin] = block[k, _DISTINCT]
        for j in range(len(shares)):
            if n == 0:
                quantiles[i - begin, j] = np.nan
                continue
            place = shares[j] * (n - 1)
            lower = int(place)
            part = place - lower
            a = float(pool[block[k, _AT] + lower])
            b = float(pool[block[k, _AT] + min(lower + 1, n - 1)])
            quantiles[i - begin, j] = a + (b - a) * part if part < 0.5 else b - (b - a) * (1 - part)
    return oldest


class OrderedWindows:
    """The sliding windows of one column. ``hashed``: hashes, of which only the distinct ones are counted; 0 stands for null."""

    def __init__(self, shares: Sequence[float], *, hashed: bool) -> None:
        self._hashed = hashed
        self._shares: Floats = np.array(shares, np.float64)
        dtype = np.uint64 if hashed else np.float64
        self._codes: Ints = np.zeros(0, np.int64)
        self._time: Ints = np.zeros(0, np.int64)
        self._value: NDArray[Any] = np.zeros(0, dtype)
        self._pool: NDArray[Any] = np.zeros(256, dtype)
        self._used = 0
        self._block: Ints = np.zeros((64, 4), np.int64)

    def add(self, size_ms: int, codes: Ints, time: Ints, value: NDArray[Any], keys: int) -> tuple[Ints, Floats]:
        """Take the next events; -> for each how many values of its window differ, and the window's quantiles."""
        self._block = grown(self._block, keys, 0)
        self._make_room(codes)
        begin = len(self._codes)
        codes, time = np.concatenate((self._codes, codes)), np.concatenate((self._time, time))
        value = np.concatenate((self._value, value))
        there = value != 0 if self._hashed else ~np.isnan(value)
        held = there.copy()
        held[begin:] = False
        n = len(codes) - begin
        quantiles, distinct = np.empty((n, len(self._shares))), np.empty(n, np.int64)
        oldest = _slide(
            size_ms,
            codes,
            time,
            value,
            there,
            held,
            0,
            begin,
            self._pool,
            self._block,
            self._shares,
            quantiles,
            distinct,
        )
        # copies: a view would hold on to the whole batch
        self._codes, self._time, self._value = (array[oldest:].copy() for array in (codes, time, value))
        return distinct, quantiles

    def _make_room(self, codes: Ints) -> None:
        """Blocks that can take all of these; nothing is taken out before everything was put in."""
        more = np.bincount(codes, minlength=len(self._block))
        block = self._block
        small = np.flatnonzero(block[:, _SIZE] + more > block[:, _ROOM])
        if not len(small):
            return
        room = 2 * (block[small, _SIZE] + more[small])
        if self._used + int(room.sum()) > len(self._pool):
            self._tidy(small, int(room.sum()))
        at = self._used + np.cumsum(room) - room
        for k, begin in zip(small.tolist(), at.tolist(), strict=True):
            lo, size = block[k, _AT], block[k, _SIZE]
            self._pool[begin : begin + size] = self._pool[lo : lo + size]
        block[small, _AT], block[small, _ROOM] = at, room
        self._used += int(room.sum())

    def _tidy(self, moving: Ints, more: int) -> None:
        """A pool with room for ``more``, without what no block uses."""
        block = self._block
        keep = block[:, _ROOM].copy()
        keep[moving] = block[moving, _SIZE]
        total = int(keep.sum())
        pool = np.zeros(max(256, 2 * (total + more)), self._pool.dtype)
        at = np.cumsum(keep) - keep
        for k in np.flatnonzero(block[:, _SIZE]).tolist():
            lo, size = block[k, _AT], block[k, _SIZE]
            pool[at[k] : at[k] + size] = self._pool[lo : lo + size]
        block[:, _AT], block[:, _ROOM] = at, keep
        self._pool, self._used = pool, total

    def busy(self) -> Ints:
        return np.unique(self._codes)

    def renumber(self, renumbering: Renumbering) -> None:
        self._codes = renumbering.new[self._codes]
        self._block = grown(renumbering.of(self._block), 64, 0)

    def state(self) -> dict[str, Any]:
        return {
            "codes": self._codes,
            "time": self._time,
            "value": self._value,
            "pool": self._pool[: self._used],
            "block": self._block,
        }

    def load(self, state: dict[str, Any]) -> None:
        self._codes, self._time, self._value = state["codes"], state["time"], state["value"]
        self._pool, self._block = state["pool"], state["block"]
        self._used = len(self._pool)
