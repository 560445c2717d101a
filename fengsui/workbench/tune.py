"""A threshold for a wanted number of alerts a day: the curve over history, and what to write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from events.transition import RANK
from fengsui.exits import InputFault
from fengsui.workbench.backtest import Stretch
from fengsui.workbench.candidate import Candidate
from fengsui.workbench.opening import Opening
from fengsui.workbench.search import Found, Point, search
from rules.expressions.numbers import Number, numbers, with_number
from rules.model import Rule, RuleSet
from rules.variants import WHEN, text_of, with_text

#: (rules, ids to watch) -> what these would have opened
Play = Callable[[RuleSet, frozenset[str]], list[Opening]]

_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Place:
    """A number of a rule that can be tuned. ``part``: ``when``, or the severity of a rung. ``position`` counts from 1."""

    part: str
    text: str
    number: Number
    position: int

    @property
    def shown(self) -> str:
        """The expression with the number marked."""
        at, end = self.number.offset, self.number.offset + len(self.number.text)
        return f"{self.text[:at]}[{self.number.text}]{self.text[end:]}"

    def with_value(self, value: float) -> str:
        """The expression with another number."""
        return with_number(self.text, self.number, written(value))


@dataclass(frozen=True)
class Tuned:
    """What came of it."""

    rule: Rule
    place: Place
    places: Sequence[Place]
    wanted: float
    found: Found
    stretch: Stretch
    source: str
    read: int
    replays: int
    seconds: float
    #: line of the file from 1 and the line as it would be; None where the text does not stand in one line of it
    line: tuple[int, str] | None


def written(value: float) -> str:
    """A number as one writes it in a rule.

    >>> written(74.0), written(0.13), written(1e-7)
    ('74', '0.13', '0.0000001')
    """
    return f"{value:.12f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"


def chosen_rule(candidate: Candidate, named: str | None) -> Rule:
    """The rule to tune. InputFault."""
    ids = ", ".join(rule.id for rule in candidate.rules[:10])
    if named is None:
        if len(candidate.rules) > 1:
            raise InputFault(f"{candidate.file} has {len(candidate.rules)} rules: name one with --rule ({ids})")
        return candidate.rules[0]
    for rule in candidate.rules:
        if rule.id == named:
            return rule
    raise InputFault(f"{candidate.file} has no rule {named}: there are {ids}")


def places_of(rule: Rule) -> list[Place]:
    """Every number that ``when`` and the ladder compare something with."""
    found: list[Place] = []
    for part in (WHEN, *(severity for severity, expr in rule.severity if expr)):
        text = text_of(rule, part)
        for number in numbers(text) if text else ():
            found.append(Place(part, text or "", number, len(found) + 1))
    return found


def chosen_place(rule: Rule, places: Sequence[Place], *, number: float | None, position: int | None) -> Place:
    """The number to tune; without a wish the first that stands alone in a comparison. InputFault."""
    told = "; ".join(f"{one.position}: {one.part} {one.shown}" for one in places)
    if not places:
        raise InputFault(f"{rule.id} compares nothing with a number in when or in its ladder: nothing to tune")
    if position is not None:
        for one in places:
            if one.position == position:
                return one
        raise InputFault(f"{rule.id} has no number {position}; there are {told}")
    if number is not None:
        same = [one for one in places if one.number.value == number]
        if len(same) == 1:
            return same[0]
        what = (
            f"has {number:g} in {len(same)} places: take one with --position" if same else f"has no number {number:g}"
        )
        raise InputFault(f"{rule.id} {what}; there are {told}")
    return next((one for one in places if one.number.direct), places[0])


def tune(
    candidate: Candidate,
    rule: Rule,
    place: Place,
    *,
    wanted: float,
    play: Play,
    stretch: Stretch,
    zone: str,
) -> tuple[Found, int]:
    """The search, and how many replays it took."""
    days = _days(stretch, zone)
    replays = 0

    def measure(values: Sequence[float]) -> list[Point]:
        nonlocal replays
        replays += 1
        variants = {
            f"{rule.id} {i}": with_text(
                rule, place.part, place.with_value(value), candidate.played, called=f"{rule.id} {i}"
            )
            for i, value in enumerate(values)
        }
        others = [other for other in candidate.played.rules if other.id != rule.id and candidate.over_alerts]
        ruleset = replace(candidate.played, rules=tuple(sorted([*others, *variants.values()], key=lambda one: one.id)))
        opened = play(ruleset, frozenset(variants))
        return [_point(value, f"{rule.id} {i}", opened, place, days, stretch, zone) for i, value in enumerate(values)]

    found = search(
        measure,
        place.number.value,
        stricter=place.number.stricter,
        wanted=wanted,
        whole=place.number.whole and _is_count(rule, place),
    )
    return found, replays


def _is_count(rule: Rule, place: Place) -> bool:
    """Everything that the expression reads is whole: then only whole numbers make a difference."""
    reads = text_of(rule, place.part)
    expr = rule.when if place.part == WHEN else next(expr for severity, expr in rule.severity if severity == place.part)
    assert reads is not None
    assert expr is not None
    measures = {measure.name: measure.expr.type for measure in rule.measures}
    return bool(expr.fields) and all(measures.get(name) == "integer" for name in expr.fields)


def _point(
    value: float, called: str, opened: Sequence[Opening], place: Place, days: Sequence[str], stretch: Stretch, zone: str
) -> Point:
    """Openings of a variant by day; of a rung those that rose as high."""
    least = 0 if place.part == WHEN else RANK[place.part]
    counted = Counter(
        _day(one.opened_ms, zone)
        for one in opened
        if one.rule == called and one.opened_ms >= stretch.from_ms and RANK[one.peak] >= least
    )
    total = sum(counted.values())
    return Point(value, tuple(counted[day] for day in days), total * _DAY_MS / max(1, stretch.to_ms - stretch.from_ms))


def _day(ms: int, zone: str) -> str:
    return datetime.fromtimestamp(ms / 1000, ZoneInfo(zone)).date().isoformat()


def _days(stretch: Stretch, zone: str) -> list[str]:
    first = datetime.fromtimestamp(stretch.from_ms / 1000, ZoneInfo(zone)).date()
    last = datetime.fromtimestamp((stretch.to_ms - 1) / 1000, ZoneInfo(zone)).date()
    return [(first + timedelta(days=i)).isoformat() for i in range((last - first).days + 1)]


def changed_line(file: Path, rule: Rule, place: Place, value: float) -> tuple[int, str] | None:
    """The line of the file that holds the expression, with the new number in it; None where it is not written out in one line."""
    lines = file.read_text("utf-8-sig").splitlines()
    for i in range(max(0, rule.place.line - 1), len(lines)):
        if i > rule.place.line and lines[i].lstrip().startswith("- id:"):
            break
        if place.text in lines[i]:
            return i + 1, lines[i].replace(place.text, place.with_value(value), 1)
    return None
