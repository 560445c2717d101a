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
_FREE = -1
_VERSION = 1


class DedupeError(Exception):
    """A snapshot that cannot be used here: the ids must be read from the log again."""


@njit
def _alive(number: int, oldest: int, total: int, most: int, seen_at: Any, now: int, horizon: int) -> bool:
    """The time of what is older than ``oldest`` may be overwritten."""
    return number >= oldest and total - number <= most and now - seen_at[number % len(seen_at)] <= horizon


@njit
def _judge(
    h1: Any,
    h2: Any,
    at: Any,
    oldest: int,
    total: int,
    most: int,
    horizon: int,
    t1: Any,
    t2: Any,
    numbers: Any,
    seen_at: Any,
    fresh: Any,
) -> int:
    """-> the number of first sightings so far. ``numbers``: the sighting in each slot of the table, -1 where it is free."""
    mask = np.uint64(len(t1) - 1)
    one = np.uint64(1)
    for i in range(len(h1)):
        slot = h1[i] & mask
        while numbers[slot] != _FREE and (t1[slot] != h1[i] or t2[slot] != h2[i]):
            slot = (slot + one) & mask
        known = numbers[slot] != _FREE and _alive(numbers[slot], oldest, total, most, seen_at, at[i], horizon)
        fresh[i] = not known
        if not known:
            t1[slot] = h1[i]
            t2[slot] = h2[i]
            numbers[slot] = total
            seen_at[total % len(seen_at)] = at[i]
            total += 1
    return total


@njit
def _oldest(oldest: int, total: int, most: int, seen_at: Any, now: int, horizon: int) -> int:
    """The first sighting that is still remembered. Sightings are in order of time."""
    while oldest < total and not _alive(oldest, oldest, total, most, seen_at, now, horizon):
        oldest += 1
    return oldest


@njit
def _refill(o1: Any, o2: Any, old: Any, oldest: int, t1: Any, t2: Any, numbers: Any) -> None:
    mask = np.uint64(len(t1) - 1)
    one = np.uint64(1)
    for i in range(len(old)):
        if old[i] < oldest:
            continue
        slot = o1[i] & mask
        while numbers[slot] != _FREE:
            slot = (slot + one) & mask
        t1[slot] = o1[i]
        t2[slot] = o2[i]
        numbers[slot] = old[i]


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
        self._allocate(1 << 12)
        #: time of a sighting, by its number modulo the length
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
            (h2 >> np.uint64(32)).astype(np.uint32),
            np.ascontiguousarray(at),
            self._oldest,
            self._total,
            self._most,
            self._horizon,
            self._t1,
            self._t2,
            self._numbers,
            self._seen_at,
            out,
        )
        self._used += self._total - before
        self._oldest = _oldest(self._oldest, self._total, self._most, self._seen_at, int(at[-1]), self._horizon)
        return out

    def _allocate(self, slots: int) -> None:
        self._t1: NDArray[np.uint64] = np.zeros(slots, np.uint64)
        self._t2: NDArray[np.uint32] = np.zeros(slots, np.uint32)
        self._numbers: Ints = np.full(slots, _FREE, np.int64)

    def _make_room(self, n: int) -> None:
        live = self._total - self._oldest
        if live + n > len(self._seen_at):
            seen_at = np.zeros(1 << (live + n + (live + n) // 4).bit_length(), np.int64)
            numbers = np.arange(self._oldest, self._total)
            seen_at[numbers % len(seen_at)] = self._seen_at[numbers % len(self._seen_at)]
            self._seen_at = seen_at
        if (self._used + n) * 5 <= len(self._t1) * 3:  # at most 60 % full
            return
        old = self._t1, self._t2, self._numbers
        slots = len(self._t1)
        while (live + n) * 5 > slots * 2:  # after a tidying at most 40 %, so that the next is far off
            slots *= 2
        self._allocate(slots)
        _refill(*old, self._oldest, self._t1, self._t2, self._numbers)
        self._used = live

    def snapshot(self) -> bytes:
        """The state; hashes hold for one version of Polars, which is noted."""
        kept = self._numbers >= self._oldest
        numbers = self._numbers[kept]
        order = np.argsort(numbers)
        state = {
            "version": _VERSION,
            "polars": pl.__version__,
            "horizon_ms": self._horizon,
            "max_ids": self._most,
            "oldest": self._oldest,
            "total": self._total,
            "numbers": numbers[order].tobytes(),
            "h1": self._t1[kept][order].tobytes(),
            "h2": self._t2[kept][order].tobytes(),
            "seen_at": self._seen_at[np.arange(self._oldest, self._total) % len(self._seen_at)].tobytes(),
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
        numbers = np.frombuffer(state["numbers"], np.int64)
        dedupe._oldest, dedupe._total = state["oldest"], state["total"]
        live = dedupe._total - dedupe._oldest
        dedupe._seen_at = np.zeros(1 << max(12, (live + live // 4).bit_length()), np.int64)
        dedupe._seen_at[np.arange(dedupe._oldest, dedupe._total) % len(dedupe._seen_at)] = np.frombuffer(
            state["seen_at"], np.int64
        )
        slots = 1 << 12
        while len(numbers) * 5 > slots * 2:
            slots *= 2
        dedupe._allocate(slots)
        h1, h2 = np.frombuffer(state["h1"], np.uint64), np.frombuffer(state["h2"], np.uint32)
        _refill(h1, h2, numbers, dedupe._oldest, dedupe._t1, dedupe._t2, dedupe._numbers)
        dedupe._used = len(numbers)
        return dedupe


def _hashes(frame: pl.DataFrame, seed: int) -> NDArray[np.uint64]:
    """One hash of the pair from one of each; the two must not cancel out, so they are mixed."""
    source = frame["source"].hash(seed).to_numpy()
    id_ = frame["id"].hash(seed).to_numpy()
    with np.errstate(over="ignore"):
        mixed: NDArray[np.uint64] = (source ^ (source >> np.uint64(29))) * _MIX + id_
        return mixed ^ (mixed >> np.uint64(31))
