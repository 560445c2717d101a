"""The lines of a piece of NDJSON: where each begins and ends, without a copy until one is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

BOM = b"\xef\xbb\xbf"
_NEWLINE, _RETURN, _SPACE, _TAB, _BRACE = b"\n\r \t{"


@dataclass(frozen=True, eq=False)
class Lines:
    """``data[starts[i]:ends[i]]`` is a line without its end; ``numbers[i]`` its 1-based number. Rising."""

    data: bytes
    starts: Int64s
    ends: Int64s
    numbers: Int64s

    @staticmethod
    def of(data: bytes, *, first: int = 1) -> tuple[Lines, int]:
        """The lines that are not blank, and how many there are with the blank ones. ``first``: the first line's number."""
        octets = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(octets == _NEWLINE)
        if len(data) and octets[-1] != _NEWLINE:
            ends = np.append(ends, len(data))
        count = len(ends)
        starts = np.empty_like(ends)
        starts[:1] = 0
        starts[1:] = ends[:-1] + 1
        numbers = np.arange(first, first + count, dtype=np.int64)
        if (ends == starts).any():
            kept = ends > starts
            starts, ends, numbers = starts[kept], ends[kept], numbers[kept]
        if b"\r" in data:
            ends = ends - (octets[ends - 1] == _RETURN)
        odd = np.flatnonzero(octets[np.minimum(starts, max(0, len(data) - 1))] != _BRACE) if len(starts) else starts
        if len(odd):
            blank = np.array([not data[starts[i] : ends[i]].strip(b" \t\r") for i in odd], np.bool_)
            for i in odd[~blank]:
                if data.startswith(BOM, starts[i]):
                    starts[i] += len(BOM)
            if blank.any():
                kept = np.ones(len(starts), np.bool_)
                kept[odd[blank]] = False
                starts, ends, numbers = starts[kept], ends[kept], numbers[kept]
        return Lines(data, starts, ends, numbers), count

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, row: int) -> bytes:
        return self.data[self.starts[row] : self.ends[row]]

    def __iter__(self) -> Iterator[bytes]:
        for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True):
            yield self.data[start:end]

    def take(self, rows: Bools | slice | Int64s) -> Lines:
        """Some of the lines: a mask, a slice, or rising indices."""
        return Lines(self.data, self.starts[rows], self.ends[rows], self.numbers[rows])

    def joined(self) -> bytes:
        """The lines with one newline between them, and one after the last where that saves a copy."""
        if not len(self):
            return b""
        breaks = np.flatnonzero(self.starts[1:] != self.ends[:-1] + 1)
        if not len(breaks):
            start, end = int(self.starts[0]), int(self.ends[-1])
            whole = start == 0 and self.data[end:] in (b"", b"\n")
            return self.data if whole else self.data[start:end]
        firsts = self.starts[np.append(0, breaks + 1)].tolist()
        lasts = self.ends[np.append(breaks, len(self) - 1)].tolist()
        return b"\n".join([self.data[first:last] for first, last in zip(firsts, lasts, strict=True)])

    def holding(self, places: Int64s) -> Bools:
        """Which lines hold one of these places (rising offsets into ``data``)."""
        held = np.zeros(len(self), np.bool_)
        if len(self) and len(places):
            rows = np.searchsorted(self.starts, places, side="right") - 1
            inside = (rows >= 0) & (places < self.ends[np.maximum(rows, 0)])
            held[rows[inside]] = True
        return held
