"""Tumbling and hopping windows by panes: the events of one pane are aggregated once, windows are merged from panes.

Released rows come in time order, so only one pane is open at a time; what is closed is kept without its empty keys.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rules.aggregates import Inputs, Stats, Values
from rules.arrays import Floats, Ints, Renumbering, grown
from rules.jit import njit
from rules.keys import KeyIndex
from rules.model import Aggregate, Window
from rules.plan import REGION, FeedPlan
from rules.samples import Held, held_of, held_state, renumbered
from rules.stretch import TIME, Stretch


@njit
def _remember(codes: Any, regions: Any, lo: int, hi: int, out: Any) -> None:
    for i in range(lo, hi):
        if regions[i] >= 0:
            out[codes[i]] = regions[i]


@njit
def _present(n: Any, codes: Any) -> int:
    """Which entries are not 0, rising. -> how many."""
    found = 0
    for code in range(len(n)):
        codes[found] = code
        found += n[code] > 0
        if found == len(codes):
            break
    return found


@njit
def _number(place: Any, codes: Any) -> int:
    """Number the entries that are not -1, rising; ``codes``: which they are. -> how many."""
    found = 0
    for code in range(len(place)):
        if place[code] >= 0:
            place[code] = found
            codes[found] = code
            found += 1
    return found


@dataclass(frozen=True)
class Fired:
    """Windows that ended: one row a key and window, by end. ``values``: aggregates by key text."""

    start: Ints
    end: Ints
    code: Ints
    region: Ints
    values: Values


@dataclass
class _Pane:
    """A closed pane: its keys (rising), what they came to, and where each was last heard."""

    start: int
    codes: Ints
    regions: Ints
    stats: Stats
    samples: Held


class _Window(NamedTuple):
    end: int
    codes: Ints
    regions: Ints
    stats: Stats
    #: what came of samples
    values: dict[str, NDArray[Any]]


class PaneTable:
    """All aggregates over one (where, by, window); shared by the rules that ask for the same."""

    def __init__(
        self,
        *,
        mask: str | None,
        codes: str,
        keys: KeyIndex,
        window: Window,
        aggregates: list[Aggregate],
        plan: FeedPlan,
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
        rows, keyless = stretch.select(self._mask, self._codes)
        self.keyless += keyless
        fired: list[_Window] = []
        if len(rows):
            self._take(stretch, rows, fired)
        limit = stretch.passage.end
        if self._start is not None and self._start + self._pane <= limit:
            self._close()
        self._fire(limit, fired)
        if rows.size:
            self._inputs.tidy_texts(self._columns)
        if not fired:
            return None
        codes = np.concatenate([window.codes for window in fired])
        regions = np.concatenate([window.regions for window in fired])
        stats = {name: np.concatenate([window.stats[name] for window in fired]) for name in fired[0].stats}
        end = np.repeat(np.array([window.end for window in fired], np.int64), [len(window.codes) for window in fired])
        values = self._inputs.finish(stats)
        values |= {key: np.concatenate([window.values[key] for window in fired]) for key in fired[0].values}
        return Fired(end - self._size, end, codes, regions, values)

    def _columns(self, column: str) -> Iterator[Floats]:
        """Every array of a column's first and last."""
        for stats in (self._open, *(pane.stats for pane in self._closed)):
            yield from (stats[name] for name in (f"{column}/first", f"{column}/last") if name in stats)

    def _take(self, stretch: Stretch, rows: Ints, fired: list[_Window]) -> None:
        codes = stretch.some(self._codes, rows)
        columns = self._inputs.read(stretch, rows)
        size = self._keys.size
        if any(len(array) < size for array in (*self._open.values(), self._regions)):
            self._open = self._inputs.grow(self._open, size)
            self._regions = grown(self._regions, size, -1)
        regions = stretch.some(REGION, rows) if REGION in stretch.columns else None
        for start, lo, hi in self._cut(stretch.some(TIME, rows)):
            if start != self._start:
                self._close()
                self._fire(start, fired)
                self._start = start
            self._inputs.add(self._open, codes, columns, lo, hi)
            self._inputs.samples.add(codes, columns, lo, hi)
            if regions is not None:
                _remember(codes, regions, lo, hi, self._regions)

    def _cut(self, time: Ints) -> Iterator[tuple[int, int, int]]:
        """Pane by pane: where it begins, and its rows. Times rise."""
        lo = 0
        while lo < len(time):
            start = (int(time[lo]) - self._offset) // self._pane * self._pane + self._offset
            end = start + self._pane
            hi = len(time) if time[-1] < end else int(time.searchsorted(end))
            yield start, lo, hi
            lo = hi

    def _close(self) -> None:
        if self._start is None:
            return
        n = self._open["n"]
        codes = np.empty(len(n), np.int64)
        codes = codes[: _present(n, codes)].copy()
        stats = self._inputs.drain(self._open, codes)
        self._closed.append(_Pane(self._start, codes, self._regions[codes], stats, self._inputs.samples.close()))
        self._start = None

    def _fire(self, limit: int, fired: list[_Window]) -> None:
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
                fired.append(self._merged(end, window))
            self._next_start = start + self._every
            while self._closed and self._closed[0].start < self._next_start:
                self._closed.popleft()

    def _merged(self, end: int, panes: list[_Pane]) -> _Window:
        samples = self._inputs.samples
        if len(panes) == 1:
            pane = panes[0]
            return _Window(end, pane.codes, pane.regions, pane.stats, samples.finish(pane.samples, pane.codes))
        place = np.full(self._keys.size, -1, np.int64)
        for pane in panes:
            place[pane.codes] = 0
        codes = np.empty(sum(len(pane.codes) for pane in panes), np.int64)
        codes = codes[: _number(place, codes)]
        regions = np.full(len(codes), -1, np.int64)
        stats = self._inputs.empty(len(codes))
        for pane in panes:
            at = place[pane.codes]
            regions[at] = pane.regions
            self._inputs.merge(stats, at, pane.stats)
        held = samples.merged([pane.samples for pane in panes])
        return _Window(end, codes, regions, stats, samples.finish(held, codes))

    def busy(self) -> Ints:
        """Codes with something in a pane that a window may still need."""
        return np.concatenate([np.flatnonzero(self._open["n"]), *(pane.codes for pane in self._closed)])

    def renumber(self, renumbering: Renumbering) -> None:
        self._open = {name: renumbering.of(array) for name, array in self._open.items()}
        self._regions = renumbering.of(self._regions)
        self._inputs.samples.renumber(renumbering)
        for pane in self._closed:
            pane.codes = renumbering.new[pane.codes]
            pane.samples = renumbered(pane.samples, renumbering)

    def state(self) -> dict[str, Any]:
        return {
            "start": self._start,
            "open": self._open,
            "closed": [
                [pane.start, pane.codes, pane.regions, pane.stats, held_state(pane.samples)] for pane in self._closed
            ],
            "samples": self._inputs.samples.state(),
            "texts": self._inputs.texts_state(),
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
        none = self._inputs.samples.empty()
        self._closed = deque(
            _Pane(start, codes, regions, self._whole(codes, stats), none | held_of(held))
            for start, codes, regions, stats, held in state["closed"]
        )
        self._inputs.samples.load(state["samples"])
        self._inputs.load_texts(state["texts"])
        self._regions = state["regions"]
        self.keyless = state["keyless"]
