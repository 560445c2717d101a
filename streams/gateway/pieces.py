"""A body of lines, cut into pieces of bounded size that each end with a newline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

MAX_PIECE_BYTES = 4 << 20
MAX_PIECE_LINES = 50_000
_NEWLINE = 10


@dataclass(frozen=True)
class Piece:
    """Whole lines, each with its newline. ``before``: lines of the body that stand before it."""

    data: bytes
    lines: int
    before: int


def pieces(body: bytes, *, max_bytes: int = MAX_PIECE_BYTES, max_lines: int = MAX_PIECE_LINES) -> Iterator[Piece]:
    """Cuts at newlines only; a line longer than ``max_bytes`` stays whole.

    >>> [(p.data, p.lines, p.before) for p in pieces(b"a\\nb\\nc", max_lines=2)]
    [(b'a\\nb\\n', 2, 0), (b'c\\n', 1, 2)]
    """
    start = before = 0
    while start < len(body):
        window = body[start : start + max_bytes]
        ends = np.flatnonzero(np.frombuffer(window, np.uint8) == _NEWLINE)
        last = start + len(window) >= len(body)
        if len(ends) > max_lines:
            lines, end = max_lines, start + int(ends[max_lines - 1]) + 1
        elif last:
            lines, end = len(ends) + (not window.endswith(b"\n")), len(body)
        elif len(ends):
            lines, end = len(ends), start + int(ends[-1]) + 1
        else:
            lines, end = 1, (body.find(b"\n", start + len(window)) + 1) or len(body)
        data = body[start:end]
        yield Piece(data if data.endswith(b"\n") else data + b"\n", int(lines), before)
        start, before = end, before + int(lines)
