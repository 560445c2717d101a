"""What can be counted in the bytes of flat JSON objects without parsing them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from events.lines import Bools, Int64s, Lines

#: Counted at a time: small enough that the marks stay in the cache.
_STRIDE = 1 << 18
_QUOTE, _COLON, _SPACE, _N, _BACKSLASH, _OPEN_BRACE, _OPEN_BRACKET = b'": n\\{['


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
        if (b"\t" in text and b"\t:" in text) or (b"\r" in text and b"\r:" in text):
            return None
        octets, spaced = np.frombuffer(text, np.uint8), b" " in text
        quotes = names = suspects = 0
        for begin in range(0, len(octets), _STRIDE):
            block = octets[begin : begin + _STRIDE + 2]
            quote, colon, null = block == _QUOTE, block == _COLON, block == _N
            quotes += int(np.count_nonzero(quote[:_STRIDE]))
            names += int(np.count_nonzero(quote[:-1][:_STRIDE] & colon[1:][:_STRIDE]))
            suspects += int(np.count_nonzero(colon[:-1] & null[1:]))
            if spaced:
                space = block == _SPACE
                if (space[:-1] & colon[1:]).any():
                    return None
                suspects += int(np.count_nonzero(space[:-1] & null[1:]))
        nulls = text.count(b'":null') if suspects else 0
        if nulls < suspects and spaced:
            nulls += text.count(b'": null')
        return Census(quotes // 2, names, nulls)


def irregular(lines: Lines) -> Bools:
    """Lines of which a census cannot be taken: nested, with an escaped quote or half of a surrogate pair, or no object."""
    data, octets = lines.data, np.frombuffer(lines.data, np.uint8)
    odd: Bools = octets[np.minimum(lines.starts, max(0, len(data) - 1))] != _OPEN_BRACE
    if b"[" in data:
        odd |= lines.holding(_places(octets, _OPEN_BRACKET))
    if b"\\" in data:
        odd |= lines.holding(_escapes(octets))
    if np.count_nonzero(octets == _OPEN_BRACE) != len(lines):
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
