"""A stretch of the log as a rule kind sees it: rows in columns, and how the watermark moved meanwhile."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rules.arrays import NEVER, Ints

#: ``src`` packs the number of the frame a row came in and its place there.
ROW_BITS = 32
ROW_MASK = (1 << ROW_BITS) - 1
#: Names the times among the columns.
TIME = " time"


class Passage:
    """How one watermark moved over a stretch: ``wm[i]`` after record i, whose log position is ``pos[i]``. Never empty."""

    def __init__(self, pos: Ints, wm: Ints) -> None:
        self.pos = pos
        self.wm = wm

    @property
    def end(self) -> int:
        """The watermark now."""
        return int(self.wm[-1])

    def reached(self, instant: Any) -> Any:
        """Index of the first record after which the watermark was >= instant (the length where it is not there yet)."""
        return np.searchsorted(self.wm, instant, side="left")

    def passed(self, instant: Any) -> Any:
        """The same for > instant."""
        return np.searchsorted(self.wm, instant, side="right")

    def before(self, index: Ints) -> Ints:
        """The watermark as record ``index`` came; unknown (never) for the first: what it made due was done with before."""
        before = np.empty_like(self.wm)
        before[0] = NEVER
        before[1:] = self.wm[:-1]
        return before[index]

    def position(self, index: int) -> int:
        return int(self.pos[min(index, len(self.pos) - 1)])


class Stretch:
    """Rows of one feed, in the order in which a kind must see them.

    ``columns``: what the plan computed, by name. ``time``: epoch ms. ``cause``: index into ``passage`` of the record that
    brought (arrival) or released the row. ``src``: where the row's text is to be found in ``frames``.
    """

    def __init__(
        self,
        columns: dict[str, NDArray[Any]],
        time: Ints,
        cause: Ints,
        src: Ints,
        frames: dict[int, pl.DataFrame],
        passage: Passage,
        frame: pl.DataFrame | None = None,
    ) -> None:
        self.columns = columns
        self.time = time
        self.cause = cause
        self.src = src
        self.frames = frames
        self.passage = passage
        self._selected: dict[tuple[str | None, str], tuple[Ints, int]] = {}
        self._cells: dict[tuple[int, str], pl.Series | None] = {}
        self._some: dict[tuple[str, int], NDArray[Any]] = {}
        #: of what arrived: the rows as they came, for conditions to look at
        self.frame = frame

    def __len__(self) -> int:
        return len(self.time)

    def value(self, row: int, column: str) -> Any:
        """One cell of the event itself; None where its frame has no such column (it waited while the rule came into force)."""
        src = int(self.src[row])
        name = (src >> ROW_BITS, column)
        if name not in self._cells:
            frame = self.frames[src >> ROW_BITS]
            self._cells[name] = frame.get_column(column) if column in frame.columns else None
        cells = self._cells[name]
        return None if cells is None else cells.item(src & ROW_MASK)

    def texts(self, rows: Ints, column: str) -> pl.Series:
        """A text column of the frames at these rows; null where a frame does not have it."""
        src = self.src[rows]
        numbers = src >> ROW_BITS
        parts = []
        for number in np.unique(numbers).tolist():
            places = (src[numbers == number] & ROW_MASK).astype(np.uint32)
            frame = self.frames[number]
            if column in frame.columns:
                parts.append(frame[column].gather(places))
            else:
                parts.append(pl.repeat(None, len(places), dtype=pl.String, eager=True).alias(column))
        if len(parts) == 1:
            return parts[0]
        back = np.argsort(np.argsort(numbers, kind="stable"), kind="stable")
        return pl.concat(parts).gather(back.astype(np.uint32))

    def select(self, mask: str | None, codes: str) -> tuple[Ints, int]:
        """Rows at which ``mask`` holds and the key is whole; and how many it holds at without a whole key."""
        found = self._selected.get((mask, codes))
        if found is None:
            found = self._selected[mask, codes] = self._select(mask, codes)
        return found

    def _select(self, mask: str | None, codes: str) -> tuple[Ints, int]:
        if not len(self):
            return np.zeros(0, np.int64), 0
        keyed = self.columns[codes] >= 0
        if mask is None:
            rows = np.flatnonzero(keyed)
            return rows, len(self) - len(rows)
        holds = self.columns[mask]
        rows = np.flatnonzero(holds & keyed)
        return rows, int(np.count_nonzero(holds)) - len(rows)

    def some(self, column: str, rows: Ints) -> NDArray[Any]:
        """A column (or ``time``) at rows that :meth:`select` gave; several tables ask for the same."""
        if len(rows) == len(self):
            return self.time if column == TIME else self.columns[column]
        name = (column, id(rows))  # they are kept, so no others are of this id
        found = self._some.get(name)
        if found is None:
            whole = self.time if column == TIME else self.columns[column]
            found = self._some[name] = whole[rows]
        return found
