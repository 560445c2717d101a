"""Flat lines of one feed read straight into columns by a compiled loop.

What :mod:`events.line` says of a line is what counts. The loop reads only what it is certain of: flat objects, no escapes, names
that it was told of, each once, values of just their field's type. Any other line it leaves to those who read slower and more.
Nothing is copied but short texts: a column of texts is a column of views into the bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from events.event import MAX_LINE_BYTES, REQUIRED
from events.jit import leaf
from events.lines import Bools, Lines
from events.times import MAX_MS, MIN_MS

#: What a field holds. OTHER, undeclared, is anything but nested; only that it is there once matters.
TEXT, NUMBER, INTEGER, BOOLEAN, TIME, FEED, OTHER = range(7)
KINDS = {"string": TEXT, "number": NUMBER, "integer": INTEGER, "boolean": BOOLEAN, "time": TIME}
#: Each field has a bit.
MAX_FIELDS = 62

_QUOTE, _COLON, _COMMA, _OPEN, _CLOSE, _SPACE, _TAB = b'":,{} \t'
_ZERO, _NINE, _MINUS, _PLUS, _DOT, _BIG_E, _SMALL_E, _T, _Z = b"09-+.EeTZ"
#: Numbers longer than this are left; those that take more than one exact operation Polars reads.
_MAX_DIGITS = 48
_MAX_EXACT = 1 << 53
_MAX_TAKEN = 10**17
_POWERS = np.array([10.0**power for power in range(23)])
_DAYS_BEFORE = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365], np.int64)
#: A text up to this long stands in its view.
_INLINE = 12
#: Up to so many of a column are read one by one.
_FEW_TEXTS = 2_000

#: Eight bytes as one word, little end first.
_U0, _U1, _U7, _U32, _U56 = (np.uint64(number) for number in (0, 1, 7, 32, 56))
_HALF, _FULL = np.uint64((1 << 32) - 1), np.uint64((1 << 64) - 1)
_LOWS, _HIGHS = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_QUOTES, _BACKSLASHES, _SPACES = (np.uint64(0x0101010101010101 * mark) for mark in b'"\\ ')


class _Bytes(NamedTuple):
    """The data by bytes, and by words from any place on; ``tail`` goes on with the words where ``words`` ends."""

    octets: Any
    words: Any
    tail: Any
    #: all of it is UTF-8; else texts beyond ASCII are left
    utf8: bool


class _Names(NamedTuple):
    """By field: its name with the closing quote as words and masks in turn, its kind, its row in the array of that kind."""

    words: Any
    lengths: Any
    kinds: Any
    slots: Any
    #: bits of the fields that must hold something
    needed: int
    feed: Any


class _Cells(NamedTuple):
    """What was read, by slot and line. ``hard``: slot, line, begin and end of numbers that are still to be read."""

    views: Any
    floats: Any
    whole: Any
    there: Any
    hard: Any
    #: of ``hard``
    count: Any


@leaf
def _word(data: Any, p: int) -> Any:
    """Eight bytes from ``p``; zeros stand behind the end."""
    return data.words[p] if p < len(data.words) else data.tail[p - len(data.words)]


@leaf
def _skip(data: Any, p: int) -> int:
    """Past white space."""
    while data.octets[p] == _SPACE or data.octets[p] == _TAB:
        p += 1
    return p


@leaf
def _text_end(data: Any, p: int) -> int:
    """The closing quote of the text that begins at ``p``; -1 where it has escapes, or marks that no text may have."""
    while True:
        # The lowest of eight bytes that is such a mark has its high bit set in ``marks`` (Mycroft 1987).
        word = _word(data, p)
        quote = word ^ _QUOTES
        slash = word ^ _BACKSLASHES
        quote = (quote - _LOWS) & ~quote & _HIGHS
        others = (slash - _LOWS) & ~slash | (word - _SPACES) & ~word
        if not data.utf8:
            others |= word
        marks = quote | (others & _HIGHS)
        if marks:
            first = marks & (~marks + _U1)
            if not quote & first:
                return -1
            return p + int(((first >> _U7) - _U1 & _LOWS) * _LOWS >> _U56)
        p += 8


@leaf
def _is(data: Any, p: int, names: Any, field: int) -> bool:
    """Whether the field's name stands at ``p``."""
    for i in range(0, names.words.shape[1], 2):
        mask = names.words[field, i + 1]
        if _word(data, p + 4 * i) & mask != names.words[field, i]:
            return False
        if mask != _FULL:
            return True
    return True


@leaf
def _field(data: Any, p: int, names: Any, guess: int) -> int:
    """The field whose name stands at ``p``; -1 where it is none of them."""
    if _is(data, p, names, guess):
        return guess
    for field in range(len(names.kinds)):
        if _is(data, p, names, field):
            return field
    return -1


@leaf
def _number(data: Any, p: int) -> tuple[int, float, bool]:
    """-> (behind it or -1, value, the value is exact)."""
    octets = data.octets
    negative = octets[p] == _MINUS
    if negative:
        p += 1
    first = p
    mantissa = 0
    digits = 0
    while _ZERO <= octets[p] <= _NINE:
        if digits < 18:
            mantissa = mantissa * 10 + (octets[p] - _ZERO)
        digits += mantissa > 0
        p += 1
    if p == first or (p > first + 1 and octets[first] == _ZERO):
        return -1, 0.0, False
    integer = True
    power = 0
    if octets[p] == _DOT:
        integer = False
        p += 1
        first = p
        while _ZERO <= octets[p] <= _NINE:
            if digits < 18:
                mantissa = mantissa * 10 + (octets[p] - _ZERO)
                power -= 1
            digits += mantissa > 0
            p += 1
        if p == first:
            return -1, 0.0, False
    if octets[p] == _SMALL_E or octets[p] == _BIG_E:
        integer = False
        p, exponent = _exponent(octets, p + 1)
        if p < 0:
            return -1, 0.0, False
        power += exponent
    exact = digits <= 18 and mantissa <= _MAX_EXACT and -22 <= power <= 22
    value = float(mantissa)
    if exact:  # one rounding, of an exact quotient or product (Clinger 1990)
        value = value / _POWERS[-power] if power < 0 else value * _POWERS[power]
    if negative and not (integer and mantissa == 0):  # the integer -0 is 0
        value = -value
    return p, value, exact


@leaf
def _exponent(octets: Any, p: int) -> tuple[int, int]:
    minus = octets[p] == _MINUS
    if minus or octets[p] == _PLUS:
        p += 1
    first = p
    exponent = 0
    while _ZERO <= octets[p] <= _NINE:
        if exponent < 10_000:
            exponent = exponent * 10 + (octets[p] - _ZERO)
        p += 1
    return (-1 if p == first else p), (-exponent if minus else exponent)


@leaf
def _integer(data: Any, p: int) -> tuple[int, int]:
    """-> (behind it or -1, value)."""
    octets = data.octets
    negative = octets[p] == _MINUS
    if negative:
        p += 1
    first = p
    value = 0
    while _ZERO <= octets[p] <= _NINE:
        if value > _MAX_TAKEN:
            return -1, 0
        value = value * 10 + (octets[p] - _ZERO)
        p += 1
    last = octets[p]
    if p == first or (p > first + 1 and octets[first] == _ZERO) or last in (_DOT, _SMALL_E, _BIG_E):
        return -1, 0
    return p, (-value if negative else value)


@leaf
def _two(octets: Any, p: int) -> int:
    """Two digits; far below 0 where they are none."""
    a = int(octets[p]) - _ZERO
    b = int(octets[p + 1]) - _ZERO
    return a * 10 + b if 0 <= a <= 9 and 0 <= b <= 9 else -10_000


@leaf
def _day(year: int, month: int, day: int) -> int:
    """Days since the epoch; far below all where there is no such day."""
    none = -(1 << 40)
    if year < 1 or month < 1 or month > 12 or day < 1:
        return none
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > _DAYS_BEFORE[month] - _DAYS_BEFORE[month - 1] + (leap and month == 2):
        return none
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400
    return days + int(_DAYS_BEFORE[month - 1]) + (leap and month > 2) + day - 719_163


@leaf
def _instant(data: Any, p: int, end: int) -> int:
    """RFC 3339 between ``p`` and ``end`` as epoch ms; out of range where it is not, or is written in a rare form."""
    bad = MAX_MS + 1
    octets = data.octets
    if end - p < 20 or octets[p + 4] != _MINUS or octets[p + 7] != _MINUS or octets[p + 10] != _T:
        return bad
    if octets[p + 13] != _COLON or octets[p + 16] != _COLON:
        return bad
    hour, minute, second = _two(octets, p + 11), _two(octets, p + 14), _two(octets, p + 17)
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        return bad
    day = _day(_two(octets, p) * 100 + _two(octets, p + 2), _two(octets, p + 5), _two(octets, p + 8))
    ms = ((day * 24 + hour) * 60 + minute) * 60_000 + second * 1000
    p += 19
    if octets[p] == _DOT:
        p += 1
        first = p
        unit = 100
        while _ZERO <= octets[p] <= _NINE:
            ms += unit * (octets[p] - _ZERO)
            unit //= 10
            p += 1
        if p == first or p > first + 9:
            return bad
    if octets[p] == _Z and p + 1 == end:
        return ms
    if p + 6 != end or octets[p + 3] != _COLON or not (octets[p] == _PLUS or octets[p] == _MINUS):
        return bad
    hours, minutes = _two(octets, p + 1), _two(octets, p + 4)
    if not (0 <= hours < 24 and 0 <= minutes < 60):
        return bad
    offset = (hours * 60 + minutes) * 60_000
    return ms - offset if octets[p] == _PLUS else ms + offset


@leaf
def _view(data: Any, p: int, length: int, views: Any, slot: int, row: int) -> None:
    """Arrow's view of a text: its length, then the text itself; or its first four bytes and where it stands."""
    head = _word(data, p) & _HALF
    if length < 4:
        head &= (_U1 << np.uint64(8 * length)) - _U1
    rest = _U0
    if length > _INLINE:
        rest = np.uint64(p) << _U32
    elif length == _INLINE:
        rest = _word(data, p + 4)
    elif length > 4:
        rest = _word(data, p + 4) & ((_U1 << np.uint64(8 * (length - 4))) - _U1)
    views[slot, row, 0] = np.uint64(length) | head << _U32
    views[slot, row, 1] = rest


@leaf
def _take_text(data: Any, p: int, field: int, row: int, names: Any, cells: Any) -> int:
    """-> behind the text that begins at ``p``; -1 where it is not what the field holds."""
    end = _text_end(data, p)
    kind = names.kinds[field]
    if end < 0:
        return -1
    if kind == TEXT:
        _view(data, p, end - p, cells.views, names.slots[field], row)
    elif kind == TIME:
        ms = _instant(data, p, end)
        if not MIN_MS <= ms <= MAX_MS:
            return -1
        cells.whole[names.slots[field], row] = ms
    elif kind == FEED:
        if end - p != len(names.feed):
            return -1
        for i in range(len(names.feed)):
            if data.octets[p + i] != names.feed[i]:
                return -1
    elif kind != OTHER:
        return -1
    return end + 1


@leaf
def _take_number(data: Any, p: int, field: int, row: int, names: Any, cells: Any) -> int:
    """The same for a number."""
    kind = names.kinds[field]
    if kind in (NUMBER, OTHER):
        end, value, exact = _number(data, p)
        if end < 0 or (not exact and (kind == OTHER or end - p > _MAX_DIGITS)):
            return -1
        if kind == NUMBER:
            cells.floats[names.slots[field], row] = value
            if not exact:
                at = cells.count[0]
                cells.hard[at, 0] = names.slots[field]
                cells.hard[at, 1] = row
                cells.hard[at, 2] = p
                cells.hard[at, 3] = end
                cells.count[0] = at + 1
        return end
    if kind in (INTEGER, TIME):
        end, integer = _integer(data, p)
        if end < 0 or (kind == TIME and not MIN_MS <= integer <= MAX_MS):
            return -1
        cells.whole[names.slots[field], row] = integer
        return end
    return -1


@leaf
def _literal(data: Any, p: int) -> tuple[int, int]:
    """-> (behind it or -1; 0 false, 1 true, 2 null)."""
    word = _word(data, p)
    four = word & _HALF
    if four == 0x65757274:  # true
        return p + 4, 1
    if four == 0x6C6C756E:  # null
        return p + 4, 2
    if four == 0x736C6166 and data.octets[p + 4] == 0x65:  # false
        return p + 5, 0
    return -1, 0


@leaf
def _line(data: Any, start: int, end: int, row: int, names: Any, follow: Any, cells: Any) -> bool:
    """Whether the line could be read."""
    if data.octets[start] != _OPEN:
        return False
    p = _skip(data, start + 1)
    before = len(names.kinds)
    seen = held = 0
    while True:
        if data.octets[p] != _QUOTE:
            return False
        field = _field(data, p + 1, names, follow[before])
        if field < 0 or seen >> field & 1:
            return False
        follow[before] = before = field
        seen |= 1 << field
        p = _skip(data, p + 1 + names.lengths[field])
        if data.octets[p] != _COLON:
            return False
        p = _skip(data, p + 1)
        first = data.octets[p]
        filled = 1
        if first == _QUOTE:
            filled = data.octets[p + 1] != _QUOTE
            p = _take_text(data, p + 1, field, row, names, cells)
            cells.there[field, row] = True
        elif first == _MINUS or _ZERO <= first <= _NINE:
            p = _take_number(data, p, field, row, names, cells)
            cells.there[field, row] = True
        else:
            p, truth = _literal(data, p)
            filled = truth < 2
            if filled:
                kind = names.kinds[field]
                if kind == BOOLEAN:
                    cells.whole[names.slots[field], row] = truth
                elif kind != OTHER:
                    return False
                cells.there[field, row] = True
        if p < 0:
            return False
        held |= filled << field
        p = _skip(data, p)
        if data.octets[p] == _CLOSE:
            return _skip(data, p + 1) == end and held & names.needed == names.needed
        if data.octets[p] != _COMMA:
            return False
        p = _skip(data, p + 1)


@leaf
def _lines(data: Any, starts: Any, ends: Any, names: Any, follow: Any, cells: Any, done: Any) -> None:
    """``follow``: which field mostly comes after which, by the one before; its last entry is for the first of a line."""
    for row in range(len(starts)):
        kept = cells.count[0]
        done[row] = ends[row] - starts[row] <= MAX_LINE_BYTES and _line(
            data, starts[row], ends[row], row, names, follow, cells
        )
        if not done[row]:
            cells.count[0] = kept


@dataclass(frozen=True)
class Field:
    """A name in the lines, what it holds, and the column that it goes to ("" where to none)."""

    name: str
    kind: int
    column: str


class Scanner:
    """Reads lines of one feed. ``fields``: those declared, and others that the lines are known to have; at most MAX_FIELDS."""

    def __init__(self, feed: str, fields: Sequence[Field]) -> None:
        assert len(fields) <= MAX_FIELDS
        self.feed = feed
        self.fields = tuple(fields)
        kinds = np.array([field.kind for field in fields], np.int64)
        slots = np.zeros(len(fields), np.int64)
        #: how many fields hold texts, floats, and what is kept as an integer
        self._counts = []
        for group in ((TEXT,), (NUMBER,), (INTEGER, BOOLEAN, TIME)):
            members = np.flatnonzero(np.isin(kinds, group))
            slots[members] = np.arange(len(members))
            self._counts.append(len(members))
        texts = [f'{field.name}"'.encode() for field in fields]
        self._names = _Names(
            words=_words(texts),
            lengths=np.array([len(text) for text in texts], np.int64),
            kinds=kinds,
            slots=slots,
            needed=sum(1 << i for i, field in enumerate(fields) if field.name in REQUIRED),
            feed=np.frombuffer(feed.encode(), np.uint8),
        )
        self._follow = np.zeros(len(fields) + 1, np.int64)

    def read(self, lines: Lines) -> tuple[Bools, dict[str, pl.Series]]:
        """Which lines could be read, and their columns; those that hold nothing are left out."""
        data, n = lines.data, len(lines)
        done = np.zeros(n, np.bool_)
        texts, floats, whole = self._counts
        cells = _Cells(
            views=np.empty((texts, n, 2), np.uint64),
            floats=np.empty((floats, n)),
            whole=np.empty((whole, n), np.int64),
            there=np.zeros((len(self.fields), n), np.bool_),
            hard=np.empty((floats * n, 4), np.int64),
            count=np.zeros(1, np.int64),
        )
        follow = self._follow.copy()  # several threads may read by one scanner
        _lines(_bytes(data), lines.starts, lines.ends, self._names, follow, cells, done)
        self._follow = follow
        if cells.count[0]:
            _read_hard(data, cells, done)
        return done, self._columns(data, cells, done)

    def _columns(self, data: bytes, cells: _Cells, done: Bools) -> dict[str, pl.Series]:
        rows = slice(None) if done.all() else np.flatnonzero(done)
        made = {"feed": pl.repeat(self.feed, int(np.count_nonzero(done)), eager=True).alias("feed")}
        for i, field in enumerate(self.fields):
            there = cells.there[i][rows]
            if not field.column or not there.any():
                continue
            values = {TEXT: cells.views, NUMBER: cells.floats}.get(field.kind, cells.whole)[self._names.slots[i]][rows]
            made[field.column] = _series(field, values, None if there.all() else there, data)
        return made


def _words(texts: Sequence[bytes]) -> NDArray[np.uint64]:
    """Texts as words and masks in turn, each with an empty mask behind it."""
    longest = max(map(len, texts), default=0) // 8 + 1
    out = np.zeros((len(texts), 2 * longest), np.uint64)
    for i, text in enumerate(texts):
        room = 8 * longest
        out[i, 0::2] = np.frombuffer(text.ljust(room, b"\0"), np.uint64)
        out[i, 1::2] = np.frombuffer((b"\xff" * len(text)).ljust(room, b"\0"), np.uint64)
    return out


def _bytes(data: bytes) -> _Bytes:
    if not data.endswith(b"\n"):
        # Every line ends in a mark that is part of no value, so that no loop need look out for the end of the data.
        data += b"\n"
    words = np.ndarray(max(0, len(data) - 7), np.uint64, data, strides=(1,))
    # what begins in the last seven bytes, and behind the end
    tail = np.ndarray(24, np.uint64, data[len(words) :] + bytes(31), strides=(1,))
    return _Bytes(np.frombuffer(data, np.uint8), words, tail, _is_utf8(data))


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        pl.Series([data], dtype=pl.Binary).cast(pl.String)  # much faster than Python's own look at it
    except pl.exceptions.PolarsError:
        return False
    return True


def _read_hard(data: bytes, cells: _Cells, done: Bools) -> None:
    """Numbers that take more than one rounding. A line with one that is out of range is left."""
    hard = cells.hard[: cells.count[0]]
    texts = pl.Series([data[begin:end].decode() for _, _, begin, end in hard.tolist()], dtype=pl.String)
    values = texts.cast(pl.Float64, strict=False).fill_null(np.inf).to_numpy()
    cells.floats[hard[:, 0], hard[:, 1]] = values
    done[hard[~np.isfinite(values), 1]] = False


def _series(field: Field, values: NDArray[Any], there: Bools | None, data: bytes) -> pl.Series:
    if field.kind == TEXT:
        return _texts(field.column, values, there, data)
    made = pl.Series(field.column, values.astype(np.bool_) if field.kind == BOOLEAN else values)
    return made if there is None else made.set(pl.Series(~there), None)


def _texts(column: str, views: NDArray[np.uint64], there: Bools | None, data: bytes) -> pl.Series:
    if len(views) < _FEW_TEXTS:
        return pl.Series(column, _read_texts(views, there, data), dtype=pl.String)
    arrow = _arrow()
    valid = None
    if there is not None:
        views = np.where(there[:, None], views, 0)
        valid = arrow.py_buffer(np.packbits(there, bitorder="little"))
    buffers = [valid, arrow.py_buffer(np.ascontiguousarray(views)), arrow.py_buffer(data)]
    return pl.Series(column, arrow.Array.from_buffers(arrow.string_view(), len(views), buffers))


def _read_texts(views: NDArray[np.uint64], there: Bools | None, data: bytes) -> list[str | None]:
    """A few texts, one by one."""
    texts: list[str | None] = []
    for row, view in enumerate(views):
        length, begin = int(view[0] & _HALF), int(view[1] >> _U32)
        text = view.tobytes()[4 : 4 + length] if length <= _INLINE else data[begin : begin + length]
        texts.append(text.decode() if there is None or there[row] else None)
    return texts


@cache
def _arrow() -> Any:
    """Takes a fifth of a second to import, which a few texts are not worth."""
    import pyarrow as pa  # type: ignore[import-untyped]

    return pa
