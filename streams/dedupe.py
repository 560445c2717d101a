"""The same (source, id) twice is one event, within a horizon of time and number.

An open-addressing table over 96 bits of two hashes of the pair (among ten million ids the chance that any two meet is 1e-15).
Each first sighting gets the next number; an id is remembered while its number is among the last ``max_ids`` and its sighting no
older than ``horizon_ms``. That is a rule on numbers and times, not on when memory is tidied, so the verdicts are the same
however the events are cut into batches.
"""

from __future__ import annotations

from typing import Any, Self

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from rules.arrays import Ints
from rules.jit import njit

_SEEDS = (0xD0_0B1E, 0xF00_F00)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_VERSION = 2
#: Slots up to which a table grows fourfold, so that a cold start does not spend its time on moving.
_LARGE = 1 << 20


class DedupeError(Exception):
    """A snapshot that cannot be used here: the ids must be read from the log again."""


#: A row of the table: one hash; the upper half of the other (never 0, so that a free row is told) over the sighting's number.
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ONE = np.uint64(1)
_ZERO = np.uint64(0)


@njit
def _alive(age: Any, live: int, most: int, seen: int, now: int, horizon: int) -> bool:
    """``age``: sightings since, this one counted. What is not among the ``live`` youngest was forgotten, its time overwritten."""
    return age <= live and age <= most and now - seen <= horizon


@njit
def _judge(
    h1: Any, h2: Any, at: Any, oldest: int, total: int, most: int, horizon: int, table: Any, seen_at: Any, fresh: Any
) -> int:
    """-> the number of first sightings so far."""
    mask = np.uint64(len(table) - 1)
    last = len(seen_at) - 1
    touched = _ZERO
    for i in range(len(h1)):  # fetch the rows side by side; one after the other, each would be waited for
        touched |= table[h1[i] & mask, 1]
    for i in range(len(h1)):
        a = h1[i]
        b = h2[i] >> _HALF | _ONE
        slot = a & mask
        while table[slot, 1] != _ZERO and (table[slot, 0] != a or table[slot, 1] >> _HALF != b):
            slot = (slot + _ONE) & mask
        known = False
        if table[slot, 1] != _ZERO:
            age = np.int64((np.uint64(total) - table[slot, 1]) & _LOW)
            known = _alive(age, total - oldest, most, seen_at[(total - age) & last], at[i], horizon)
        fresh[i] = not known
        if not known:
            table[slot, 0] = a
            table[slot, 1] = b << _HALF | (np.uint64(total) & _LOW)
            seen_at[total & last] = at[i]
            total += 1
    return total if touched >= _ZERO else 0


@njit
def _oldest(oldest: int, total: int, most: int, seen_at: Any, now: int, horizon: int) -> int:
    """The first sighting that is still remembered. Sightings are in order of time."""
    last = len(seen_at) - 1
    while oldest < total and not _alive(total - oldest, total - oldest, most, seen_at[oldest & last], now, horizon):
        oldest += 1
    return oldest


@njit
def _refill(old: Any, oldest: int, total: int, table: Any) -> None:
    mask = np.uint64(len(table) - 1)
    for i in range(len(old)):
        if old[i, 1] == _ZERO or np.int64((np.uint64(total) - old[i, 1]) & _LOW) > total - oldest:
            continue
        slot = old[i, 0] & mask
        while table[slot, 1] != _ZERO:
            slot = (slot + _ONE) & mask
        table[slot, 0] = old[i, 0]
        table[slot, 1] = old[i, 1]


class Dedupe:
    """Remembers the last ``max_ids`` ids for ``horizon_ms``. Used by one thread at a time."""

    def __init__(self, *, horizon_ms: int = 86_400_000, max_ids: int = 10_000_000) -> None:
        self._horizon = horizon_ms
        self._most = max_ids
        #: first sightings ever, and the number of the oldest that is remembered
        self._total = 0
        self._oldest = 0
        #: slots in use, also by what is not remembered any more
        self._used = 0
        self._table: NDArray[np.uint64] = np.zeros((1 << 12, 2), np.uint64)
        #: time of a sighting, by its number modulo the length, a power of two
        self._seen_at: Ints = np.zeros(1 << 12, np.int64)

    @property
    def fallen(self) -> int:
        """Ids that fell out of the horizon: if one of them came again, it would be taken for a new event."""
        return self._oldest

    def __len__(self) -> int:
        return self._total - self._oldest

    def fresh(self, frame: pl.DataFrame, at_ms: Ints | int) -> NDArray[np.bool_]:
        """Which rows (columns ``id`` and ``source``) are first sightings. ``at_ms``: the log's clock at each row, never falling."""
        n = len(frame)
        out = np.empty(n, np.bool_)
        if n == 0:
            return out
        at = np.broadcast_to(np.asarray(at_ms, np.int64), (n,))
        h1, h2 = (_hashes(frame, seed) for seed in _SEEDS)
        # what falls out within a batch must still be told apart from what does not, so there is room for all of it
        self._make_room(n)
        before = self._total
        self._total = _judge(
            h1,
            h2,
            np.ascontiguousarray(at),
            self._oldest,
            self._total,
            self._most,
            self._horizon,
            self._table,
            self._seen_at,
            out,
        )
        self._used += self._total - before
        self._oldest = _oldest(self._oldest, self._total, self._most, self._seen_at, int(at[-1]), self._horizon)
        return out

    def _make_room(self, n: int) -> None:
        live = self._total - self._oldest
        if live + n > len(self._seen_at):
            seen_at = np.zeros(1 << (live + n + (live + n) // 4).bit_length(), np.int64)
            numbers = np.arange(self._oldest, self._total)
            seen_at[numbers & (len(seen_at) - 1)] = self._seen_at[numbers & (len(self._seen_at) - 1)]
            self._seen_at = seen_at
        if (self._used + n) * 5 <= len(self._table) * 3:  # at most 60 % full
            return
        old = self._table
        self._table = np.zeros((_roomy(live + n, len(old)), 2), np.uint64)
        _refill(old, self._oldest, self._total, self._table)
        self._used = live

    def snapshot(self) -> bytes:
        """The state; hashes hold for one version of Polars, which is noted."""
        state = {
            "version": _VERSION,
            "polars": pl.__version__,
            "horizon_ms": self._horizon,
            "max_ids": self._most,
            "oldest": self._oldest,
            "total": self._total,
            "rows": self._table[self._table[:, 1] != 0].tobytes(),
            "seen_at": self._seen_at[np.arange(self._oldest, self._total) & (len(self._seen_at) - 1)].tobytes(),
        }
        return msgspec.msgpack.encode(state)

    @classmethod
    def restore(cls, data: bytes) -> Self:
        """The state as it was. DedupeError where another version wrote it, or it is damaged."""
        try:
            state: dict[str, Any] = msgspec.msgpack.decode(data)
            version, polars = state["version"], state["polars"]
        except (msgspec.MsgspecError, KeyError, TypeError):
            raise DedupeError("this is no snapshot of seen ids") from None
        if (version, polars) != (_VERSION, pl.__version__):
            raise DedupeError(f"the ids were hashed by Polars {polars} (format {version}), here runs {pl.__version__}")
        dedupe = cls(horizon_ms=state["horizon_ms"], max_ids=state["max_ids"])
        dedupe._oldest, dedupe._total = state["oldest"], state["total"]
        live = dedupe._total - dedupe._oldest
        dedupe._seen_at = np.zeros(1 << max(12, (live + live // 4).bit_length()), np.int64)
        numbers = np.arange(dedupe._oldest, dedupe._total)
        dedupe._seen_at[numbers & (len(dedupe._seen_at) - 1)] = np.frombuffer(state["seen_at"], np.int64)
        rows = np.frombuffer(state["rows"], np.uint64).reshape(-1, 2)
        dedupe._table = np.zeros((_roomy(live, 1 << 12), 2), np.uint64)
        _refill(rows, dedupe._oldest, dedupe._total, dedupe._table)
        dedupe._used = live
        return dedupe


def _roomy(ids: int, slots: int) -> int:
    """A power of two, at least ``slots``, that ``ids`` fill to at most 40 %, so that the next tidying is far off."""
    while ids * 5 > slots * 2:
        slots *= 4 if slots < _LARGE else 2
    return slots


def _hashes(frame: pl.DataFrame, seed: int) -> NDArray[np.uint64]:
    """One hash of the pair from one of each; the two must not cancel out, so they are mixed."""
    source, id_ = frame["source"], frame["id"]
    alike = bool((source == source[0]).all())  # as in most batches
    of_source = source.head(1).hash(seed).to_numpy() if alike else source.hash(seed).to_numpy()
    with np.errstate(over="ignore"):
        mixed: NDArray[np.uint64] = (of_source ^ (of_source >> np.uint64(29))) * _MIX + id_.hash(seed).to_numpy()
        return mixed ^ (mixed >> np.uint64(31))
