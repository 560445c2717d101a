"""Reordering: events wait until their feed's watermark has reached them, then go on in (time, arrival) order."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rules.arrays import Ints, Renumbering
from rules.jit import njit
from rules.sorting import order_of
from rules.stretch import ROW_BITS, ROW_MASK, Passage, Stretch


@njit
def _causes(wm: Any, time: Any, own: Any, out: Any) -> None:
    """The record that released each row: the first whose watermark reached it, or its own if that came later. Both rise."""
    record = 0
    for i in range(len(time)):
        while wm[record] < time[i]:
            record += 1
        out[i] = max(record, own[i])


class Release:
    """The events of one feed that are not released yet."""

    def __init__(self) -> None:
        self._time: Ints = np.zeros(0, np.int64)
        self._src: Ints = np.zeros(0, np.int64)
        self._columns: dict[str, NDArray[Any]] = {}
        self._frames: dict[int, pl.DataFrame] = {}

    def __len__(self) -> int:
        return len(self._time)

    def take(self, arrived: Stretch | None, on_time: NDArray[np.bool_] | None, passage: Passage) -> Stretch:
        """Add what arrived (only the rows that are ``on_time``; None: all) and give what the watermark has reached."""
        now = passage.end
        if arrived is None:
            time, src, columns = self._time, self._src, self._columns
            own = np.zeros(len(time), np.int64)
            frames = self._frames
        else:
            time, src, columns, own = self._joined(arrived, on_time)
            frames = self._frames | arrived.frames
        order = order_of(time)
        if order is not None:
            time, src, own = time[order], src[order], own[order]
            columns = {name: column[order] for name, column in columns.items()}
        ready = int(np.searchsorted(time, now, side="right"))
        # copies: a view would hold on to the whole batch
        self._time, self._src = time[ready:].copy(), src[ready:].copy()
        self._columns = {name: column[ready:].copy() for name, column in columns.items()}
        kept = set(np.unique(self._src >> ROW_BITS).tolist())
        self._frames = {number: frame for number, frame in frames.items() if number in kept}
        time, src = time[:ready], src[:ready]
        cause = np.empty(ready, np.int64)
        _causes(passage.wm, time, own[:ready], cause)
        return Stretch({name: column[:ready] for name, column in columns.items()}, time, cause, src, frames, passage)

    def _joined(
        self, arrived: Stretch, on_time: NDArray[np.bool_] | None
    ) -> tuple[Ints, Ints, dict[str, NDArray[Any]], Ints]:
        """What waits, then what came: arrival order. ``own``: the record that brought each (0 for those that waited)."""
        keep = None if on_time is None or on_time.all() else np.flatnonzero(on_time)

        def some(array: NDArray[Any]) -> NDArray[Any]:
            return array if keep is None else array[keep]

        if not len(self._time):
            columns = {name: some(column) for name, column in arrived.columns.items()}
            return some(arrived.time), some(arrived.src), columns, some(arrived.cause)
        columns = {}
        for name, column in arrived.columns.items():
            waiting = self._columns.get(name)
            if waiting is None:
                waiting = _missing(name, len(self._time))
            columns[name] = np.concatenate((waiting, some(column)))
        return (
            np.concatenate((self._time, some(arrived.time))),
            np.concatenate((self._src, some(arrived.src))),
            columns,
            np.concatenate((np.zeros(len(self._time), np.int64), some(arrived.cause))),
        )

    def complete(self, columns: Iterable[str]) -> None:
        """Rules came while these waited: for them they do not match."""
        self._columns |= {name: _missing(name, len(self._time)) for name in columns if name not in self._columns}

    def renumber(self, column: str, renumbering: Renumbering) -> None:
        """Keys of waiting rows were heard just now, so they are all kept."""
        codes = self._columns.get(column)
        if codes is not None:
            self._columns[column] = np.where(codes >= 0, renumbering.new[codes], -1)

    def state(self) -> dict[str, Any]:
        """The waiting rows, with their text gathered: a frame for each schema, for with the rules a field's type may have changed."""
        numbers = self._src >> ROW_BITS
        alike: dict[tuple[Any, ...], list[int]] = {}
        for number in np.unique(numbers).tolist():
            alike.setdefault(tuple(self._frames[number].schema.items()), []).append(number)
        src = np.empty_like(self._src)
        texts = []
        for place, members in enumerate(alike.values()):
            rows = np.concatenate([np.flatnonzero(numbers == number) for number in members])
            src[rows] = (place << ROW_BITS) | np.arange(len(rows))
            parts = [self._frames[number][self._src[numbers == number] & ROW_MASK] for number in members]
            buffer = io.BytesIO()
            pl.concat(parts).write_ipc(buffer)
            texts.append(buffer.getvalue())
        return {"time": self._time, "src": src, "columns": self._columns, "texts": texts}

    def load(self, state: dict[str, Any]) -> None:
        """The gathered frames get the first numbers, which no later frame has: there were at least as many."""
        self._time, self._src, self._columns = state["time"], state["src"], state["columns"]
        self._frames = {number: pl.read_ipc(io.BytesIO(text)) for number, text in enumerate(state["texts"])}


def _missing(column: str, rows: int) -> NDArray[Any]:
    """By the plan's naming: masks do not hold, numbers are null, keys are missing, roles are none."""
    value, dtype = _MISSING[column[0]]
    return np.full(rows, value, dtype)


_MISSING: dict[str, tuple[float, Any]] = {
    "?": (False, np.bool_),
    "#": (np.nan, np.float64),
    "!": (np.nan, np.float64),
    "~": (0, np.uint64),
    "@": (-1, np.int64),
    "%": (0, np.int64),
    "=": (0, np.int8),
}
