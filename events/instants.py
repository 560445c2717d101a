"""RFC 3339 texts of a whole column to epoch milliseconds, without a step of Python a row."""

from __future__ import annotations

from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from events.times import MAX_MS, MIN_MS

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_SHAPE = np.frombuffer(b"0000-00-00T00:00:00", np.uint8)
#: The greatest value each place may have once XORed with _SHAPE: 0 for the marks between the digits.
_LIMIT = np.array([9, 9, 9, 9, 0, 1, 9, 0, 3, 9, 0, 2, 9, 0, 5, 9, 0, 5, 9], np.uint8)
_DATE_WEIGHTS = ((0, 10**7), (1, 10**6), (2, 10**5), (3, 10**4), (5, 1000), (6, 100), (8, 10), (9, 1))
_CLOCK_WEIGHTS = ((11, 36_000), (12, 3_600), (14, 600), (15, 60), (17, 10), (18, 1))
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_NO_DAY = np.iinfo(np.int64).min // 2


def parse_column(texts: pl.Series) -> tuple[Int64s, Bools]:
    """Epoch ms of each text, and which could be read. ``texts``: String without nulls.

    Reads a subset of what :func:`events.times.parse_instant` reads (``T`` as separator only) and gives the same numbers;
    what it leaves (False, with any number) the caller reads one by one.
    """
    count = len(texts)
    ms, known = np.zeros(count, np.int64), np.zeros(count, np.bool_)
    if not count:
        return ms, known
    # Texts of one length that end alike (in Z or in an offset) have everything in the same places.
    shape = (texts.str.len_bytes().cast(pl.Int64) * 2 + texts.str.ends_with("Z").cast(pl.Int64)).to_numpy()
    if shape[0] == shape[-1] and (shape == shape[0]).all():
        return _parse_alike(texts, int(shape[0]) // 2, zulu=bool(shape[0] & 1))
    for one in np.unique(shape):
        rows = np.flatnonzero(shape == one)
        ms[rows], known[rows] = _parse_alike(texts.gather(rows), int(one) // 2, zulu=bool(one & 1))
    return ms, known


def _parse_alike(texts: pl.Series, length: int, *, zulu: bool) -> tuple[Int64s, Bools]:
    count = len(texts)
    fraction = length - 20 if zulu else length - 25
    if fraction < 0 or fraction == 1 or fraction > 10:
        return np.zeros(count, np.int64), np.zeros(count, np.bool_)
    grid = np.frombuffer(texts.str.join("").item().encode(), np.uint8).reshape(count, length)
    head = grid[:, :19] ^ _SHAPE
    fits = head <= _LIMIT
    known = _all(fits)
    hour = head[:, 11] * 10 + head[:, 12]
    known &= hour < 24
    ms = _days(_weigh(head, _DATE_WEIGHTS)) * 86_400_000 + _weigh(head, _CLOCK_WEIGHTS) * 1000
    if fraction:
        digits = grid[:, 20 : 19 + fraction] ^ np.uint8(0x30)
        known &= (grid[:, 19] == ord(".")) & _all(digits <= 9)
        ms += _weigh(digits, tuple((place, 10 ** (2 - place)) for place in range(min(3, fraction - 1))))
    if not zulu:
        tail = grid[:, -6:]
        # Mostly one offset for all: worked out once.
        tail = tail[:1] if (tail == tail[0]).all() else tail
        sign, zone = tail[:, 0], tail[:, 1:] ^ np.frombuffer(b"00:00", np.uint8)
        known &= ((sign == ord("+")) | (sign == ord("-"))) & _all(zone <= np.array([2, 9, 0, 5, 9], np.uint8))
        known &= zone[:, 0] * 10 + zone[:, 1] < 24
        offset_ms = _weigh(zone, ((0, 600), (1, 60), (3, 10), (4, 1))) * 60_000
        ms -= np.where(sign == ord("-"), -offset_ms, offset_ms)
    known &= (ms >= MIN_MS) & (ms <= MAX_MS)
    return ms, known


def _all(grid: Bools) -> Bools:
    return np.ones(len(grid), np.bool_) if grid.all() else np.asarray(grid.all(axis=1), np.bool_)


def _weigh(digits: npt.NDArray[np.uint8], weights: tuple[tuple[int, int], ...]) -> Int64s:
    total = np.zeros(len(digits), np.int32)
    for place, weight in weights:
        total += digits[:, place] * np.int32(weight)
    return total.astype(np.int64)


def _days(codes: Int64s) -> Int64s:
    """Days since the epoch of dates written as the number YYYYMMDD; far out of range where there is no such date."""
    if codes[0] == codes[-1] and (codes == codes[0]).all():
        return np.full(len(codes), _day(int(codes[0])), np.int64)
    distinct, where = np.unique(codes, return_inverse=True)
    return np.array([_day(int(code)) for code in distinct], np.int64)[where]


def _day(code: int) -> int:
    try:
        return date(code // 10_000, code // 100 % 100, code % 100).toordinal() - _EPOCH_DAY
    except ValueError:
        return _NO_DAY // 86_400_000
