"""What can be counted in the bytes of flat JSON objects without parsing them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from events.lines import Bools, Int64s, Lines

#: Counted at a time: small enough that the marks stay in the cache.
_STRIDE = 1 << 18
_QUOTE, _BACKSLASH, _OPEN_BRACE, _OPEN_BRACKET = b'"\\{['


@dataclass(frozen=True)
class Census:
    """Counts over lines that are flat objects in which no quote is escaped.

    ``strings``: keys and text values together (every quote is one's mark). ``names``: a quote with a colon behind it: all keys,
    and besides, any text that begins with a colon. ``nulls``: a null behind such a colon (or colon and space).
    """

    strings: int
    names: int
    nulls: int

    @staticmethod
    def of(text: bytes) -> Census | None:
        """None where white space before a colon spoils the count of names."""
        if (
            (b" " in text and _count(text, b" :"))
            or (b"\t" in text and b"\t:" in text)
            or (b"\r" in text and b"\r:" in text)
        ):
            return None
        nulls = text.count(b'":null') + text.count(b'": null') if _count(text, b"null") else 0
        return Census(_count(text, b'"') // 2, _count(text, b'":'), nulls)


def irregular(lines: Lines) -> Bools:
    """Lines of which a census cannot be taken: nested, with an escaped quote or half of a surrogate pair, or no object."""
    data, octets = lines.data, np.frombuffer(lines.data, np.uint8)
    odd: Bools = octets[np.minimum(lines.starts, max(0, len(data) - 1))] != _OPEN_BRACE
    if b"[" in data:
        odd |= lines.holding(_places(octets, _OPEN_BRACKET))
    if b"\\" in data:
        odd |= lines.holding(_escapes(octets))
    braces = _count(data, b"{")
    if braces != len(lines):
        places = _places(octets, _OPEN_BRACE)
        odd |= lines.holding(places[~np.isin(places, lines.starts, assume_unique=True)])
    return odd


def _places(octets: npt.NDArray[np.uint8], mark: int) -> Int64s:
    return np.flatnonzero(octets == mark).astype(np.int64, copy=False)


def _escapes(octets: npt.NDArray[np.uint8]) -> Int64s:
    """Where a backslash stands before a quote or before ``ud`` (``uD``); the one before may escape it, but then it is rare."""
    places = _places(octets, _BACKSLASH)
    last = len(octets) - 1
    after = octets[np.minimum(places + 1, last)]
    beyond = octets[np.minimum(places + 2, last)] | 0x20
    spoiling: Bools = (after == _QUOTE) | ((after == ord("u")) & (beyond == ord("d")))
    return places[spoiling]


def _count(text: bytes, pattern: bytes) -> int:
    """How often a pattern of 1, 2 or 4 bytes is there (4: of no repeated parts). Several times faster than ``bytes.count``."""
    width = len(pattern)
    kind: Any = {1: np.uint8, 2: np.uint16, 4: np.uint32}[width]
    wanted = np.frombuffer(pattern, kind)[0]
    total = 0
    for begin in range(0, len(text), _STRIDE):
        end = min(len(text), begin + _STRIDE + width - 1)
        for shift in range(width):
            length = (end - begin - shift) // width
            if length > 0:
                total += int(np.count_nonzero(np.frombuffer(text, kind, length, begin + shift) == wanted))
    return total
