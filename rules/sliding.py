"""Sliding windows: at each event, aggregates over its key's events in (time - size, time].

Two stacks a key (Tangwongsan, Hirzel, Schneider 2017, "Low-latency sliding-window aggregation"): the older part of the window
holds suffix aggregates, the newer one a running aggregate; when the older part runs empty, the newer is turned over. Each event
is touched a bounded number of times, and nothing is ever subtracted, so no rounding error builds up. All keys share one arena
in release order; expiry is first in, first out over all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.aggregates import Inputs, Stats, Values
from rules.arrays import Floats, Ints, Renumbering, grown
from rules.jit import njit
from rules.keys import KeyIndex
from rules.model import Aggregate, Window
from rules.ordered import OrderedWindows
from rules.plan import FeedPlan
from rules.rings import Rings
from rules.samples import Samples
from rules.stretch import TIME, Stretch

#: Statistics of an input, in this order; ``n`` counts rows, ``c`` values. ``ops`` names the ones that are kept, by column.
_NAMES = ("n", "c", "s", "min", "max", "mean", "m2", "first", "last")
_N, _C, _S, _MIN, _MAX, _MEAN, _M2, _FIRST, _LAST = range(9)
_BLANK = np.array([0.0, 0.0, 0.0, np.inf, -np.inf, 0.0, 0.0, np.nan, np.nan])


@njit
def _blank(a: Any, i: int, ops: Any) -> None:
    for j in range(len(ops)):
        a[i, j] = _BLANK[ops[j]]


@njit
def _single(v: float, a: Any, i: int, ops: Any) -> None:
    for j in range(len(ops)):
        op = ops[j]
        if op == _N:
            a[i, j] = 1.0
        elif isnan(v):
            a[i, j] = _BLANK[op]
        elif op == _C:
            a[i, j] = 1.0
        elif op == _M2:
            a[i, j] = 0.0
        else:
            a[i, j] = v


@njit
def _join(a: Any, i: int, b: Any, j: int, out: Any, k: int, ops: Any) -> None:
    """Row i of ``a`` before row j of ``b``, to row k of ``out``, which may be either. (Rows, not views: views cost more.)"""
    ca = 0.0
    cb = 0.0
    for stat in range(len(ops)):
        op = ops[stat]
        x = a[i, stat]
        y = b[j, stat]
        if op in (_N, _S):
            out[k, stat] = x + y
        elif op == _C:
            ca = x
            cb = y
            out[k, stat] = x + y
        elif op == _MIN:
            out[k, stat] = min(x, y)
        elif op == _MAX:
            out[k, stat] = max(x, y)
        elif op == _MEAN:  # its squared distances stand in the next column
            d = y - x
            m2 = a[i, stat + 1] + b[j, stat + 1]
            out[k, stat] = x + (d * cb / (ca + cb) if cb > 0 else 0.0)
            out[k, stat + 1] = m2 + (d * d * ca * cb / (ca + cb) if cb > 0 else 0.0)
        elif op == _FIRST:
            out[k, stat] = x if ca > 0 else y
        elif op == _LAST:
            out[k, stat] = y if cb > 0 else x


#: Columns of an arena's entries and of its keys: what is used together lies together, for the caches' sake.
_TIME, _CODE, _PREV, _NEXT = range(4)
_HEAD, _TAIL, _FLIP = range(3)


@njit
def _slide(
    size: int,
    base: int,
    oldest: int,
    end: int,
    total: int,
    entry: Any,
    value: Any,
    suffix: Any,
    key: Any,
    back: Any,
    out: Any,
    ops: Any,
) -> int:
    """Rows [end, total) of the arena are new. Indices are absolute; ``base`` is that of the arrays' first entry.

    A key's window runs head .. tail; entries up to ``flip`` hold suffix aggregates, the rest is summed in ``back``.
    -> the oldest entry still in any window.
    """
    scratch = np.empty((1, out.shape[1]))
    for g in range(end, total):
        t = entry[g - base, _TIME]
        while oldest < g and entry[oldest - base, _TIME] <= t - size:
            k = entry[oldest - base, _CODE]
            if key[k, _FLIP] < oldest:  # the older part is empty: turn the newer over
                _blank(scratch, 0, ops)
                at = key[k, _TAIL]
                while at >= oldest:
                    _single(value[at - base], suffix, at - base, ops)
                    _join(suffix, at - base, scratch, 0, suffix, at - base, ops)
                    for stat in range(scratch.shape[1]):
                        scratch[0, stat] = suffix[at - base, stat]
                    at = entry[at - base, _PREV]
                key[k, _FLIP] = key[k, _TAIL]
                _blank(back, k, ops)
            key[k, _HEAD] = entry[oldest - base, _NEXT]
            oldest += 1
        k = entry[g - base, _CODE]
        entry[g - base, _PREV] = key[k, _TAIL]
        entry[g - base, _NEXT] = -1
        if key[k, _HEAD] < 0:
            key[k, _HEAD] = g
            key[k, _FLIP] = -1
            _blank(back, k, ops)
        else:
            entry[key[k, _TAIL] - base, _NEXT] = g
        key[k, _TAIL] = g
        _single(value[g - base], scratch, 0, ops)
        _join(back, k, scratch, 0, back, k, ops)
        if key[k, _HEAD] <= key[k, _FLIP]:
            _join(suffix, key[k, _HEAD] - base, back, k, out, g - end, ops)
        else:
            for stat in range(out.shape[1]):
                out[g - end, stat] = back[k, stat]
    return oldest


@dataclass(frozen=True)
class Slid:
    """Evaluations: ``rows`` of the stretch, their keys, and the aggregates by key text."""

    rows: Ints
    code: Ints
    values: Values


class _Arena:
    """The windows of one input over all keys, with the statistics ``stats`` of it."""

    def __init__(self, stats: tuple[str, ...]) -> None:
        self.stats = stats
        self.ops: Ints = np.array([_NAMES.index(name) for name in stats], np.int64)
        self.base = self.oldest = self.total = 0
        self._cells: dict[str, NDArray[Any]] = {
            "entry": np.zeros((256, 4), np.int64),
            "value": np.zeros(256),
            "suffix": np.zeros((256, len(stats))),
        }
        self._key: Ints = np.full((64, 3), -1, np.int64)
        self._back: Floats = np.zeros((64, len(stats)))

    def add(self, size_ms: int, codes: Ints, time: Ints, value: Floats, keys: int) -> Floats:
        """Take the next events; -> the statistics of each one's window, a row an event."""
        n = len(codes)
        self._make_room(n)
        self._key = grown(self._key, keys, -1)
        self._back = grown(self._back, keys, 0)
        lo = self.total - self.base
        cells = self._cells
        cells["entry"][lo : lo + n, _TIME] = time
        cells["entry"][lo : lo + n, _CODE] = codes
        cells["value"][lo : lo + n] = value
        out = np.empty((n, len(self.stats)))
        end, self.total = self.total, self.total + n
        self.oldest = _slide(
            size_ms,
            self.base,
            self.oldest,
            end,
            self.total,
            cells["entry"],
            cells["value"],
            cells["suffix"],
            self._key,
            self._back,
            out,
            self.ops,
        )
        return out

    def _make_room(self, n: int) -> None:
        live = self.total - self.oldest
        capacity = len(self._cells["value"])
        lo, hi = self.oldest - self.base, self.total - self.base
        if hi + n <= capacity:
            return
        size = max(capacity, 256)
        while size < 2 * (live + n):
            size *= 2
        for name, array in self._cells.items():
            roomy = np.zeros((size, *array.shape[1:]), array.dtype)
            roomy[:live] = array[lo:hi]
            self._cells[name] = roomy
        self.base = self.oldest

    def numbers(self) -> Iterator[Floats]:
        """Every array that holds values of entries, or the first and last of some."""
        yield self._cells["value"][self.oldest - self.base : self.total - self.base]
        for place, stat in enumerate(self.stats):
            if stat in ("first", "last"):
                yield self._cells["suffix"][self.oldest - self.base : self.total - self.base, place]
                yield self._back[:, place]

    def busy(self) -> Ints:
        return np.flatnonzero(self._key[:, _HEAD] >= 0)

    def renumber(self, renumbering: Renumbering) -> None:
        lo, hi = self.oldest - self.base, self.total - self.base
        live = self._cells["entry"][lo:hi]
        live[:, _CODE] = renumbering.new[live[:, _CODE]]
        self._key = renumbering.of(self._key)
        self._back = renumbering.of(self._back)

    def state(self) -> dict[str, Any]:
        lo, hi = self.oldest - self.base, self.total - self.base
        cells = {name: array[lo:hi] for name, array in self._cells.items()}
        return {
            "stats": list(self.stats),
            "oldest": self.oldest,
            "total": self.total,
            "cells": cells,
            "key": self._key,
            "back": self._back,
        }

    @classmethod
    def of(cls, state: dict[str, Any]) -> _Arena:
        """With the statistics that it had then."""
        arena = cls(tuple(state["stats"]))
        arena.base = arena.oldest = state["oldest"]
        arena.total = state["total"]
        arena._cells, arena._key, arena._back = state["cells"], state["key"], state["back"]
        return arena


class _OrderedAggregates:
    """The quantiles and distinct counts of one table, by column."""

    def __init__(self, samples: Samples) -> None:
        self._of = samples.by_column()
        self.windows = {
            column: OrderedWindows(_shares(aggregates), hashed=samples.hashed(column))
            for column, aggregates in self._of.items()
        }

    def add(self, size_ms: int, codes: Ints, time: Ints, columns: dict[str, NDArray[Any]], keys: int) -> Values:
        values: Values = {}
        for column, windows in self.windows.items():
            distinct, quantiles = windows.add(size_ms, codes, time, columns[column], keys)
            shares = _shares(self._of[column])
            for aggregate in self._of[column]:
                if aggregate.parameter is None:
                    values[aggregate.key] = distinct
                else:
                    values[aggregate.key] = quantiles[:, shares.index(aggregate.parameter)]
        return values


def _shares(aggregates: list[Aggregate]) -> list[float]:
    return sorted({aggregate.parameter for aggregate in aggregates if aggregate.parameter is not None})


class SlidingTable:
    """All aggregates over one (where, by, sliding window); shared by the rules that ask for the same."""

    def __init__(
        self,
        *,
        mask: str | None,
        codes: str,
        keys: KeyIndex,
        window: Window,
        aggregates: list[Aggregate],
        plan: FeedPlan,
        rings: Rings,
    ) -> None:
        self._mask = mask
        self._codes = codes
        self._keys = keys
        self._inputs = Inputs(aggregates, plan)
        self._size = window.size_ms
        self._rings = rings
        #: what is the same however it is reckoned, by column; "" for events
        self._exact: dict[str, tuple[str, ...]] = {"": ("n",)} if self._inputs.counts_rows else {}
        self._arenas: dict[str, _Arena] = {}
        for column, stats in self._inputs.stats.items():
            if set(stats) <= {"c", "min", "max"}:
                # where there is a greatest there is a value, so it need not be counted for that
                self._exact[column] = tuple(stat for stat in stats if stat != "c" or self._inputs.counts(column))
            else:
                self._arenas[column] = _Arena(stats)
        for column, stats in self._exact.items():
            for stat in stats:
                rings.ask(column, stat, self._size)
        self._ordered = _OrderedAggregates(self._inputs.samples)
        self.keyless = 0

    def take(self, stretch: Stretch) -> Slid | None:
        rows, keyless = stretch.select(self._mask, self._codes)
        self.keyless += keyless
        if not len(rows):
            return None
        codes, time = stretch.some(self._codes, rows), stretch.some(TIME, rows)
        columns = self._inputs.read(stretch, rows)
        stats: Stats = {}
        for column, names in self._exact.items():
            value = columns[column] if column else np.zeros(len(rows))
            for stat in names:
                made = self._rings.take(stretch, column, stat, self._size, codes, time, value, self._keys.size)
                stats[f"{column}/{stat}" if column else stat] = made
            if column and "c" not in names:
                stats[f"{column}/c"] = np.where(np.isnan(made), 0.0, 1.0)
        for column, arena in self._arenas.items():
            out = arena.add(self._size, codes, time, columns[column], self._keys.size)
            for place, stat in enumerate(arena.stats):
                stats[f"{column}/{stat}"] = out[:, place]
        if "n" in stats:
            stats["n"] = stats["n"].astype(np.int64)
        values = self._inputs.finish(stats) | self._ordered.add(self._size, codes, time, columns, self._keys.size)
        self._inputs.tidy_texts(lambda column: self._arenas[column].numbers())
        return Slid(rows, codes, values)

    def busy(self) -> Ints:
        """Codes with an event in the window (as of the last event of any key)."""
        return np.concatenate([np.zeros(0, np.int64), *(holder.busy() for holder in self._holders())])

    def renumber(self, renumbering: Renumbering) -> None:
        for holder in self._holders():
            holder.renumber(renumbering)

    def _holders(self) -> list[_Arena | OrderedWindows]:
        return [*self._arenas.values(), *self._ordered.windows.values()]

    def state(self) -> dict[str, Any]:
        return {
            "arenas": {column: arena.state() for column, arena in self._arenas.items()},
            "ordered": {column: windows.state() for column, windows in self._ordered.windows.items()},
            "texts": self._inputs.texts_state(),
            "keyless": self.keyless,
        }

    def load(self, state: dict[str, Any]) -> None:
        for column, saved in state["arenas"].items():
            # A rule that is gone may have asked for more of the column: what is left of it stays where it is kept.
            if column in self._inputs.stats:
                self._arenas[column] = _Arena.of(saved)
                self._exact.pop(column, None)
        for column, saved in state["ordered"].items():
            if column in self._ordered.windows:
                self._ordered.windows[column].load(saved)
        self._inputs.load_texts(state["texts"])
        self.keyless = state["keyless"]
