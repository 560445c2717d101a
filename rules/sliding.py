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

#: statistics of an input, in the order of the last axis of the arrays below; ``n`` counts rows, ``c`` values
_N, _C, _S, _MIN, _MAX, _MEAN, _M2, _FIRST, _LAST, _WIDTH = range(10)
_NAMES = {"c": _C, "s": _S, "min": _MIN, "max": _MAX, "mean": _MEAN, "m2": _M2, "first": _FIRST, "last": _LAST}


@njit
def _blank(a: Any) -> None:
    a[_N] = 0.0
    a[_C] = 0.0
    a[_S] = 0.0
    a[_MIN] = np.inf
    a[_MAX] = -np.inf
    a[_MEAN] = 0.0
    a[_M2] = 0.0
    a[_FIRST] = np.nan
    a[_LAST] = np.nan


@njit
def _single(v: float, a: Any) -> None:
    _blank(a)
    a[_N] = 1.0
    if v == v:
        a[_C] = 1.0
        a[_S] = v
        a[_MIN] = v
        a[_MAX] = v
        a[_MEAN] = v
        a[_FIRST] = v
        a[_LAST] = v


@njit
def _join(a: Any, b: Any, out: Any) -> None:
    """``a`` before ``b``; ``out`` may be either."""
    ca = a[_C]
    cb = b[_C]
    total = ca + cb
    first = a[_FIRST] if ca > 0 else b[_FIRST]
    last = b[_LAST] if cb > 0 else a[_LAST]
    if total > 0:
        d = b[_MEAN] - a[_MEAN]
        mean = a[_MEAN] + d * cb / total
        m2 = a[_M2] + b[_M2] + d * d * ca * cb / total
    else:
        mean = 0.0
        m2 = 0.0
    out[_N] = a[_N] + b[_N]
    out[_C] = total
    out[_S] = a[_S] + b[_S]
    out[_MIN] = min(a[_MIN], b[_MIN])
    out[_MAX] = max(a[_MAX], b[_MAX])
    out[_MEAN] = mean
    out[_M2] = m2
    out[_FIRST] = first
    out[_LAST] = last


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
) -> int:
    """Rows [end, total) of the arena are new. Indices are absolute; ``base`` is that of the arrays' first entry.

    A key's window runs head .. tail by ``nxt``; entries up to ``flip`` hold suffix aggregates, the rest is summed in ``back``.
    -> the oldest entry still in any window.
    """
    scratch = np.empty(_WIDTH)
    for g in range(end, total):
        t = time[g - base]
        while oldest < g and time[oldest - base] <= t - size:
            k = code[oldest - base]
            if flip[k] < oldest:  # the older part is empty: turn the newer over
                _blank(scratch)
                at = tail[k]
                while at >= oldest:
                    _single(value[at - base], suffix[at - base])
                    _join(suffix[at - base], scratch, scratch)
                    suffix[at - base, :] = scratch
                    at = prev[at - base]
                flip[k] = tail[k]
                _blank(back[k])
            head[k] = nxt[oldest - base]
            oldest += 1
        k = code[g - base]
        prev[g - base] = tail[k]
        nxt[g - base] = -1
        if head[k] < 0:
            head[k] = g
            flip[k] = -1
            _blank(back[k])
        else:
            nxt[tail[k] - base] = g
        tail[k] = g
        _single(value[g - base], scratch)
        _join(back[k], scratch, back[k])
        if head[k] <= flip[k]:
            _join(suffix[head[k] - base], back[k], out[g - end])
        else:
            out[g - end, :] = back[k]
    return oldest


@dataclass(frozen=True)
class Slid:
    """Evaluations: ``rows`` of the stretch, their keys, and the aggregates by key text."""

    rows: Ints
    code: Ints
    values: dict[str, NDArray[Any]]


class _Arena:
    """The windows of one input over all keys."""

    def __init__(self) -> None:
        self.base = self.oldest = self.total = 0
        self.cells: dict[str, NDArray[Any]] = {
            "time": np.zeros(256, np.int64),
            "code": np.zeros(256, np.int64),
            "value": np.zeros(256),
            "prev": np.zeros(256, np.int64),
            "nxt": np.zeros(256, np.int64),
            "suffix": np.zeros((256, _WIDTH)),
        }
        self.keys: dict[str, NDArray[Any]] = {name: np.full(64, -1, np.int64) for name in ("head", "tail", "flip")}
        self.back: Floats = np.zeros((64, _WIDTH))

    def add(self, size_ms: int, codes: Ints, time: Ints, value: Floats, keys: int) -> Floats:
        n = len(codes)
        self._make_room(n, keys)
        lo = self.total - self.base
        self.cells["time"][lo : lo + n] = time
        self.cells["code"][lo : lo + n] = codes
        self.cells["value"][lo : lo + n] = value
        out = np.empty((n, _WIDTH))
        end, self.total = self.total, self.total + n
        self.oldest = _slide(
            size_ms, self.base, self.oldest, end, self.total, *self.cells.values(), *self.keys.values(), self.back, out
        )
        return out

    def _make_room(self, n: int, keys: int) -> None:
        self.keys = {name: grown(array, keys, -1) for name, array in self.keys.items()}
        if len(self.back) < keys:
            back = np.zeros((max(keys, 2 * len(self.back)), _WIDTH))
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
        #: "" counts rows where no input is read
        self._arenas = {column: _Arena() for column in (self._inputs.stats or {"": ()})}
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
            stats["n"] = out[:, _N].astype(np.int64)
            for stat in self._inputs.stats.get(column, ()):
                stats[f"{column}/{stat}"] = out[:, _NAMES[stat]]
        return Slid(rows, codes, self._inputs.finish(stats))

    def state(self) -> dict[str, Any]:
        return {"arenas": {column: arena.state() for column, arena in self._arenas.items()}, "keyless": self.keyless}

    def load(self, state: dict[str, Any]) -> None:
        for column, saved in state["arenas"].items():
            if column in self._arenas:
                self._arenas[column].load(saved)
        self.keyless = state["keyless"]
