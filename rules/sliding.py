"""Sliding windows: at each event, aggregates over its key's events in (time - size, time].

Two stacks a key (Tangwongsan, Hirzel, Schneider 2017, "Low-latency sliding-window aggregation"): the older part of the window
holds suffix aggregates, the newer one a running aggregate; when the older part runs empty, the newer is turned over. Each event
is touched a bounded number of times, and nothing is ever subtracted, so no rounding error builds up. All keys share one arena
in release order; expiry is first in, first out over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.aggregates import Inputs, Stats
from rules.arrays import Floats, Ints, grown
from rules.jit import njit
from rules.keys import KeyIndex
from rules.model import Aggregate, Window
from rules.plan import FeedPlan
from rules.stretch import Stretch

#: Statistics of an input; ``n`` counts rows, ``c`` values. A layout gives each its column, -1 where nobody asks for it.
_NAMES = ("n", "c", "s", "min", "max", "mean", "m2", "first", "last")
_N, _C, _S, _MIN, _MAX, _MEAN, _M2, _FIRST, _LAST = range(9)


@njit
def _blank(a: Any, i: int, lay: Any) -> None:
    for stat in range(len(lay)):
        if lay[stat] >= 0:
            a[i, lay[stat]] = 0.0
    if lay[_MIN] >= 0:
        a[i, lay[_MIN]] = np.inf
    if lay[_MAX] >= 0:
        a[i, lay[_MAX]] = -np.inf
    if lay[_FIRST] >= 0:
        a[i, lay[_FIRST]] = np.nan
    if lay[_LAST] >= 0:
        a[i, lay[_LAST]] = np.nan


@njit
def _single(v: float, a: Any, i: int, lay: Any) -> None:
    _blank(a, i, lay)
    if lay[_N] >= 0:
        a[i, lay[_N]] = 1.0
    if v == v:
        for stat in range(_C, len(lay)):
            if lay[stat] >= 0:
                a[i, lay[stat]] = v
        if lay[_C] >= 0:
            a[i, lay[_C]] = 1.0
        if lay[_M2] >= 0:
            a[i, lay[_M2]] = 0.0


@njit
def _join(a: Any, i: int, b: Any, j: int, out: Any, k: int, lay: Any) -> None:
    """Row i of ``a`` before row j of ``b``, to row k of ``out``, which may be either. (Rows, not views: views cost more than sums.)"""
    if lay[_N] >= 0:
        out[k, lay[_N]] = a[i, lay[_N]] + b[j, lay[_N]]
    if lay[_C] < 0:
        return
    ca = a[i, lay[_C]]
    cb = b[j, lay[_C]]
    if lay[_MEAN] >= 0:
        total = ca + cb
        d = b[j, lay[_MEAN]] - a[i, lay[_MEAN]]
        if total > 0:
            m2 = a[i, lay[_M2]] + b[j, lay[_M2]] + d * d * ca * cb / total
            out[k, lay[_MEAN]] = a[i, lay[_MEAN]] + d * cb / total
            out[k, lay[_M2]] = m2
        else:
            out[k, lay[_MEAN]] = 0.0
            out[k, lay[_M2]] = 0.0
    if lay[_S] >= 0:
        out[k, lay[_S]] = a[i, lay[_S]] + b[j, lay[_S]]
    if lay[_MIN] >= 0:
        out[k, lay[_MIN]] = min(a[i, lay[_MIN]], b[j, lay[_MIN]])
    if lay[_MAX] >= 0:
        out[k, lay[_MAX]] = max(a[i, lay[_MAX]], b[j, lay[_MAX]])
    if lay[_FIRST] >= 0:
        out[k, lay[_FIRST]] = a[i, lay[_FIRST]] if ca > 0 else b[j, lay[_FIRST]]
    if lay[_LAST] >= 0:
        out[k, lay[_LAST]] = b[j, lay[_LAST]] if cb > 0 else a[i, lay[_LAST]]
    out[k, lay[_C]] = ca + cb


@njit
def _slide(
    size: int,
    base: int,
    oldest: int,
    end: int,
    total: int,
    time: Any,
    code: Any,
    value: Any,
    prev: Any,
    nxt: Any,
    suffix: Any,
    head: Any,
    tail: Any,
    flip: Any,
    back: Any,
    out: Any,
    lay: Any,
) -> int:
    """Rows [end, total) of the arena are new. Indices are absolute; ``base`` is that of the arrays' first entry.

    A key's window runs head .. tail by ``nxt``; entries up to ``flip`` hold suffix aggregates, the rest is summed in ``back``.
    -> the oldest entry still in any window.
    """
    scratch = np.empty((1, out.shape[1]))
    for g in range(end, total):
        t = time[g - base]
        while oldest < g and time[oldest - base] <= t - size:
            k = code[oldest - base]
            if flip[k] < oldest:  # the older part is empty: turn the newer over
                _blank(scratch, 0, lay)
                at = tail[k]
                while at >= oldest:
                    _single(value[at - base], suffix, at - base, lay)
                    _join(suffix, at - base, scratch, 0, suffix, at - base, lay)
                    for stat in range(scratch.shape[1]):
                        scratch[0, stat] = suffix[at - base, stat]
                    at = prev[at - base]
                flip[k] = tail[k]
                _blank(back, k, lay)
            head[k] = nxt[oldest - base]
            oldest += 1
        k = code[g - base]
        prev[g - base] = tail[k]
        nxt[g - base] = -1
        if head[k] < 0:
            head[k] = g
            flip[k] = -1
            _blank(back, k, lay)
        else:
            nxt[tail[k] - base] = g
        tail[k] = g
        _single(value[g - base], scratch, 0, lay)
        _join(back, k, scratch, 0, back, k, lay)
        if head[k] <= flip[k]:
            _join(suffix, head[k] - base, back, k, out, g - end, lay)
        else:
            for stat in range(out.shape[1]):
                out[g - end, stat] = back[k, stat]
    return oldest


@dataclass(frozen=True)
class Slid:
    """Evaluations: ``rows`` of the stretch, their keys, and the aggregates by key text."""

    rows: Ints
    code: Ints
    values: dict[str, NDArray[Any]]


class _Arena:
    """The windows of one input over all keys, with the statistics ``stats`` of it."""

    def __init__(self, stats: tuple[str, ...]) -> None:
        self.stats = stats
        self.layout: Ints = np.array([stats.index(name) if name in stats else -1 for name in _NAMES], np.int64)
        self.base = self.oldest = self.total = 0
        self.cells: dict[str, NDArray[Any]] = {
            "time": np.zeros(256, np.int64),
            "code": np.zeros(256, np.int64),
            "value": np.zeros(256),
            "prev": np.zeros(256, np.int64),
            "nxt": np.zeros(256, np.int64),
            "suffix": np.zeros((256, len(stats))),
        }
        self.keys: dict[str, NDArray[Any]] = {name: np.full(64, -1, np.int64) for name in ("head", "tail", "flip")}
        self.back: Floats = np.zeros((64, len(stats)))

    def add(self, size_ms: int, codes: Ints, time: Ints, value: Floats, keys: int) -> Floats:
        n = len(codes)
        self._make_room(n, keys)
        lo = self.total - self.base
        self.cells["time"][lo : lo + n] = time
        self.cells["code"][lo : lo + n] = codes
        self.cells["value"][lo : lo + n] = value
        out = np.empty((n, len(self.stats)))
        end, self.total = self.total, self.total + n
        self.oldest = _slide(
            size_ms,
            self.base,
            self.oldest,
            end,
            self.total,
            *self.cells.values(),
            *self.keys.values(),
            self.back,
            out,
            self.layout,
        )
        return out

    def _make_room(self, n: int, keys: int) -> None:
        self.keys = {name: grown(array, keys, -1) for name, array in self.keys.items()}
        if len(self.back) < keys:
            back = np.zeros((max(keys, 2 * len(self.back)), len(self.stats)))
            back[: len(self.back)] = self.back
            self.back = back
        live = self.total - self.oldest
        capacity = len(self.cells["time"])
        if self.total - self.base + n <= capacity:
            return
        lo, hi = self.oldest - self.base, self.total - self.base
        size = max(capacity, 256)
        while size < 2 * (live + n):
            size *= 2
        for name, array in self.cells.items():
            bigger = np.zeros((size, *array.shape[1:]), array.dtype)
            bigger[:live] = array[lo:hi]
            self.cells[name] = bigger
        self.base = self.oldest

    def state(self) -> dict[str, Any]:
        lo, hi = self.oldest - self.base, self.total - self.base
        cells = {name: array[lo:hi] for name, array in self.cells.items()}
        return {"oldest": self.oldest, "total": self.total, "cells": cells, "keys": self.keys, "back": self.back}

    def load(self, state: dict[str, Any]) -> None:
        self.base = self.oldest = state["oldest"]
        self.total = state["total"]
        self.cells, self.keys, self.back = state["cells"], state["keys"], state["back"]


class SlidingTable:
    """All aggregates over one (where, by, sliding window); shared by the rules that ask for the same."""

    def __init__(
        self, *, mask: str | None, codes: str, keys: KeyIndex, window: Window, aggregates: list[Aggregate], plan: FeedPlan
    ) -> None:
        self._mask = mask
        self._codes = codes
        self._keys = keys
        self._inputs = Inputs(aggregates, plan)
        self._size = window.size_ms
        self._arenas = {column: _Arena(stats) for column, stats in self._inputs.stats.items()}
        if self._inputs.counts_rows:
            self._arenas[""] = _Arena(("n",))
        self.keyless = 0

    def take(self, stretch: Stretch) -> Slid | None:
        rows = stretch.select(self._mask, self._codes)
        matching = len(stretch) if self._mask is None else int(np.count_nonzero(stretch.columns[self._mask]))
        self.keyless += matching - len(rows)
        if not len(rows):
            return None
        codes, time = stretch.columns[self._codes][rows], stretch.time[rows]
        stats: Stats = {}
        for column, arena in self._arenas.items():
            value = stretch.columns[column][rows] if column else np.full(len(rows), np.nan)
            out = arena.add(self._size, codes, time, value, self._keys.size)
            for place, stat in enumerate(arena.stats):
                stats[f"{column}/{stat}" if column else stat] = out[:, place]
        if "n" in stats:
            stats["n"] = stats["n"].astype(np.int64)
        return Slid(rows, codes, self._inputs.finish(stats))

    def state(self) -> dict[str, Any]:
        return {"arenas": {column: arena.state() for column, arena in self._arenas.items()}, "keyless": self.keyless}

    def load(self, state: dict[str, Any]) -> None:
        for column, saved in state["arenas"].items():
            if column in self._arenas:
                self._arenas[column].load(saved)
        self.keyless = state["keyless"]
