"""Looking for the threshold that gives a wanted number of alerts a day, with a handful of replays of several values each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, log10
from statistics import median
from typing import Literal

#: Outcome of a search. jump: no value gives about what is wanted: the count leaps over it. few: no value tried gives as many;
#: many: none gives as few.
Verdict = Literal["found", "jump", "few", "many"]

#: Steps away from the present value, in parts of it: one replay a row, until what is wanted lies between two values.
_NEAR = (0.125, 0.25, 0.5)
_STRICTER = ((1.0, 2.0, 4.0), (8.0, 32.0, 128.0))
_LOOSER = ((0.0625, 0.125, 0.25), (0.5, 0.75, 1.0), (1.5, 2.0, 4.0))
_INNER = 7
_PASSES = 3
#: A value is good where it gives at least this part of what is wanted.
_NEAR_ENOUGH = 0.6
#: and may be exchanged for a rounder one that gives at least this part of what it gives.
_ROUND_ENOUGH = 0.9
#: What is wanted may be passed by so much: a stretch is seldom a whole number of days.
_TOLERANCE = 1.01
_FINE = 0.002


@dataclass(frozen=True)
class Point:
    """What a value gives. ``days``: alerts of each local day; ``per_day``: the mean over the whole time."""

    value: float
    days: tuple[int, ...]
    per_day: float

    @property
    def total(self) -> int:
        return sum(self.days)

    @property
    def median(self) -> float:
        return float(median(self.days)) if self.days else 0.0

    @property
    def worst(self) -> int:
        return max(self.days, default=0)


@dataclass(frozen=True)
class Found:
    """``points``: all that were tried, by value. ``proposed``: the loosest round value that gives no more than is wanted.

    ``beyond``: the next looser value, which gives more; None where none does. A count need not rise all the way as a condition is
    loosened: in the end alerts run into each other. Where no value gives as many as are wanted, the one with most is proposed; where none
    gives as few, the one with least; of several alike the nearest to the present value.
    """

    verdict: Verdict
    now: Point
    points: tuple[Point, ...]
    proposed: Point
    beyond: Point | None


def search(
    measure: Callable[[Sequence[float]], Sequence[Point]], now: float, *, stricter: int, wanted: float, whole: bool
) -> Found:
    """``measure``: one replay of several values. ``stricter``: 1 where a higher value gives fewer alerts, else -1."""
    looked = _Looked(measure, wanted * _TOLERANCE, whole=whole)
    unit = abs(now) or 1.0
    looked.at(now, *(now + stricter * unit * part for part in _NEAR))
    present = looked.points[now]
    far = looked.points[looked.fit(now + stricter * unit * _NEAR[-1])]
    if far.total > present.total:  # what the expression multiplies it with is negative
        stricter = -stricter
        looked.at(*(now + stricter * unit * part for part in _NEAR))
    over = looked.over(present)
    sign = stricter if over else -stricter
    for parts in _STRICTER if over else _LOOSER:
        if any(looked.over(one) != over for one in looked.points.values()):
            break
        looked.at(*(now + sign * unit * part for part in parts))
    for _ in range(_PASSES):
        strict, loose = looked.between(stricter)
        if strict is None or loose is None or _close(strict, loose, unit, whole=whole):
            break
        step = (loose.value - strict.value) / (_INNER + 1)
        unit_of_step = 10.0 ** floor(log10(abs(step)))
        inner = (round((strict.value + step * (i + 1)) / unit_of_step) * unit_of_step for i in range(_INNER))
        if not looked.at(*inner):
            break
    strict, loose = looked.between(stricter)
    if strict is not None and loose is not None:
        strict = looked.rounder(strict, loose, stricter)
    return _concluded(looked, present, strict, loose, wanted)


def _concluded(looked: _Looked, now: Point, strict: Point | None, loose: Point | None, wanted: float) -> Found:
    points = tuple(sorted(looked.points.values(), key=lambda one: one.value))

    def away(point: Point) -> float:
        return abs(point.value - now.value)

    if strict is None:
        return Found("many", now, points, min(points, key=lambda one: (one.per_day, away(one))), loose)
    verdict: Verdict = "found"
    if strict.per_day < wanted * _NEAR_ENOUGH:
        if loose is None:
            return Found("few", now, points, min(points, key=lambda one: (-one.per_day, away(one))), None)
        verdict = "jump"
    return Found(verdict, now, points, strict, loose)


class _Looked:
    """The values that were tried."""

    def __init__(
        self, measure: Callable[[Sequence[float]], Sequence[Point]], most_per_day: float, *, whole: bool
    ) -> None:
        self._measure = measure
        self._most_per_day = most_per_day
        self._whole = whole
        self.points: dict[float, Point] = {}

    def fit(self, value: float) -> float:
        """As it would be written: whole, or with as many digits as make a difference."""
        return float(round(value)) if self._whole else float(f"{value:.6g}")

    def at(self, *values: float) -> bool:
        """Tries those that were not tried yet; False where there are none."""
        fresh = sorted({self.fit(value) for value in values} - self.points.keys())
        if fresh:
            self.points |= {point.value: point for point in self._measure(fresh)}
        return bool(fresh)

    def over(self, point: Point) -> bool:
        """Does it give more than is wanted?"""
        return point.per_day > self._most_per_day

    def between(self, stricter: int) -> tuple[Point | None, Point | None]:
        """The loosest value from which on nothing gives more than is wanted, and the next looser one."""
        strict: Point | None = None
        for point in self._from_the_strictest(stricter):
            if self.over(point):
                return strict, point
            strict = point
        return strict, None

    def rounder(self, strict: Point, loose: Point, stricter: int) -> Point:
        """A value with fewer digits that gives about as much as ``strict``; itself where there is none."""
        good = [
            one
            for one in self._from_the_strictest(stricter)
            if stricter * one.value >= stricter * strict.value and one.per_day >= strict.per_day * _ROUND_ENOUGH
        ]
        value = self.fit(rounded(good[0].value, loose.value))
        self.at(value)
        point = self.points[value]
        fits = not self.over(point) and point.per_day >= strict.per_day * _ROUND_ENOUGH
        return point if fits else strict

    def _from_the_strictest(self, stricter: int) -> list[Point]:
        return sorted(self.points.values(), key=lambda one: -stricter * one.value)


def _close(strict: Point, loose: Point, unit: float, *, whole: bool) -> bool:
    width = abs(strict.value - loose.value)
    return width <= (1 if whole else unit * _FINE) or loose.total - strict.total <= 1


def rounded(strict: float, loose: float) -> float:
    """The number with the fewest digits from ``strict`` (included) up or down to ``loose`` (not), the nearest to ``loose``.

    >>> rounded(74.31, 73.12)
    74.0
    >>> rounded(0.127, 0.1301)
    0.13
    """
    low, high = min(strict, loose), max(strict, loose)
    for digits in range(-12, 13):
        unit = 10.0**-digits
        first = round(low / unit)
        inside = [
            float(f"{n * unit:.12g}") for n in range(first, first + 12) if low <= n * unit <= high and n * unit != loose
        ]
        if inside:
            return min(inside, key=lambda value: abs(value - loose))
    return strict
