"""Tumbling and hopping windows by panes: the events of one pane are aggregated once, windows are merged from panes.

Released rows come in time order, so only one pane is open at a time; what is closed is kept without its empty keys.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rules.aggregates import Inputs, Stats
from rules.arrays import Ints, grown
from rules.keys import KeyIndex
from rules.model import Aggregate, Window
from rules.plan import REGION, FeedPlan
from rules.stretch import Stretch


@dataclass(frozen=True)
class Fired:
    """Windows that ended: one row a key and window, by end. ``values``: aggregates by key text."""

    end: Ints
    code: Ints
    region: Ints
    values: dict[str, NDArray[Any]]


@dataclass
class _Pane:
    start: int
    codes: Ints
    stats: Stats


class PaneTable:
    """All aggregates over one (where, by, window); shared by the rules that ask for the same."""

    def __init__(
        self, *, mask: str | None, codes: str, keys: KeyIndex, window: Window, aggregates: list[Aggregate], plan: FeedPlan
    ) -> None:
        self._mask = mask
        self._codes = codes
        self._keys = keys
        self._inputs = Inputs(aggregates, plan)
        self._size = window.size_ms
        self._every = window.every_ms
        self._offset = window.offset_ms
        self._pane = gcd(window.size_ms, window.every_ms)
        self._start: int | None = None
        self._open = self._inputs.empty(64)
        self._closed: deque[_Pane] = deque()
        self._next_start: int | None = None
        self._regions: Ints = np.full(64, -1, np.int64)
        self.keyless = 0

    def take(self, stretch: Stretch) -> Fired | None:
        """Aggregate released rows, and fire every window that ended by the watermark."""
        rows = stretch.select(self._mask, self._codes)
        matching = len(stretch) if self._mask is None else int(np.count_nonzero(stretch.columns[self._mask]))
        self.keyless += matching - len(rows)
        fired: list[tuple[int, Ints, Stats]] = []
        if len(rows):
            self._take(stretch, rows, fired)
        limit = stretch.passage.end
        if self._start is not None and self._start + self._pane <= limit:
            self._close()
        self._fire(limit, fired)
        if not fired:
            return None
        codes = np.concatenate([codes for _, codes, _ in fired])
        stats = {name: np.concatenate([s[name] for _, _, s in fired]) for name in fired[0][2]}
        end = np.repeat(np.array([end for end, _, _ in fired], np.int64), [len(codes) for _, codes, _ in fired])
        return Fired(end, codes, self._regions[codes], self._inputs.finish(stats))

    def _take(self, stretch: Stretch, rows: Ints, fired: list[tuple[int, Ints, Stats]]) -> None:
        codes = stretch.columns[self._codes][rows]
        columns = {name: stretch.columns[name][rows] for name in self._inputs.stats}
        self._open = self._inputs.grow(self._open, self._keys.size)
        self._regions = grown(self._regions, self._keys.size, -1)
        panes = (stretch.time[rows] - self._offset) // self._pane
        edges = np.flatnonzero(np.diff(panes)) + 1
        for lo, hi in zip([0, *edges.tolist()], [*edges.tolist(), len(rows)], strict=True):
            start = int(panes[lo]) * self._pane + self._offset
            if start != self._start:
                self._close()
                self._fire(start, fired)
                self._start = start
            self._inputs.add(self._open, codes, columns, lo, hi)
        if REGION in stretch.columns:
            regions = stretch.columns[REGION][rows]
            known = regions >= 0
            self._regions[codes[known]] = regions[known]

    def _close(self) -> None:
        if self._start is None:
            return
        codes = np.flatnonzero(self._open["n"])
        self._closed.append(_Pane(self._start, codes, {name: array[codes] for name, array in self._open.items()}))
        self._inputs.clear(self._open, codes)
        self._start = None

    def _fire(self, limit: int, fired: list[tuple[int, Ints, Stats]]) -> None:
        """Windows are [start, start + size) with start = offset modulo every; those that end by ``limit`` and hold a pane."""
        while self._closed:
            first = (self._closed[0].start - self._size - self._offset) // self._every + 1
            start = first * self._every + self._offset
            if self._next_start is not None and self._next_start > start:
                start = self._next_start
            end = start + self._size
            if end > limit:
                return
            window = [pane for pane in self._closed if start <= pane.start < end]
            if window:
                fired.append((end, *self._merged(window)))
            self._next_start = start + self._every
            while self._closed and self._closed[0].start < self._next_start:
                self._closed.popleft()

    def _merged(self, panes: list[_Pane]) -> tuple[Ints, Stats]:
        if len(panes) == 1:
            return panes[0].codes, panes[0].stats
        codes = np.unique(np.concatenate([pane.codes for pane in panes]))
        stats = self._inputs.empty(len(codes))
        for pane in panes:
            self._inputs.merge(stats, np.searchsorted(codes, pane.codes), pane.stats)
        return codes, stats

    def state(self) -> dict[str, Any]:
        return {
            "start": self._start,
            "open": self._open,
            "closed": [[pane.start, pane.codes, pane.stats] for pane in self._closed],
            "next_start": self._next_start,
            "regions": self._regions,
            "keyless": self.keyless,
        }

    def _whole(self, codes: Ints, saved: Stats) -> Stats:
        """A pane from before a rule joined this table has nothing of what the new rule sums."""
        return {name: saved.get(name, empty) for name, empty in self._inputs.empty(len(codes)).items()}

    def load(self, state: dict[str, Any]) -> None:
        self._start, self._next_start = state["start"], state["next_start"]
        self._open |= {name: array for name, array in state["open"].items() if name in self._open}
        self._closed = deque(_Pane(start, codes, self._whole(codes, stats)) for start, codes, stats in state["closed"])
        self._regions = state["regions"]
        self.keyless = state["keyless"]


def frame_of(values: dict[str, NDArray[Any]]) -> pl.DataFrame:
    """Aggregates as columns, NaN as null."""
    return pl.DataFrame(values).with_columns(pl.col(pl.Float64).fill_nan(None))
