"""What the reference is given: feeds and rules, with conditions and measures as Python callables.

An event is a dict of its fields (``id``, ``feed``, ``source``, ``time`` in epoch ms, ``subject``, ...; ``receipt`` where the log
holds one); null and missing are both ``None``. A condition is a callable of a dict that gives True, False or None (unknown).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.reference.calendar import Calendar

Fields = Mapping[str, Any]
Condition = Callable[[Fields], "bool | None"]
Key = tuple[Any, ...]

NEVER = -(2**62)
RANK = {"red": 4, "orange": 3, "yellow": 2, "blue": 1}


@dataclass(frozen=True)
class RefFeed:
    lateness: int
    idle: int


@dataclass(frozen=True)
class RefStep:
    feed: str
    where: Condition | None = None
    absent: bool = False
    unless: tuple[str, Condition | None] | None = None


@dataclass(frozen=True)
class RefWindow:
    """``size`` of a session is its gap, ``longest`` what it may last in all."""

    shape: str
    size: int
    every: int = 0
    offset: int = 0
    longest: int = 0


@dataclass(frozen=True)
class RefBaseline:
    """``measures``: functions of this window's values and of those of the earlier windows, oldest first."""

    last: int
    skip: int
    every: int
    measures: Mapping[str, Callable[[Fields, list[Fields]], Any]]


@dataclass(frozen=True)
class RefRule:
    """One rule; durations in ms. ``ladder``: (severity, condition or None for true), ``measures``: functions of event lists."""

    id: str
    kind: str
    feed: str = ""
    by: tuple[str, ...] = ("subject",)
    where: Condition | None = None
    only: Calendar | None = None
    when: Condition | None = None
    clear: Condition | None = None
    ladder: tuple[tuple[str, Condition | None], ...] = (("orange", None),)
    measures: Mapping[str, Callable[[list[Fields]], Any]] = field(default_factory=dict)
    window: RefWindow | None = None
    baselines: tuple[RefBaseline, ...] = ()
    absent: int = 0
    expect: tuple[Key, ...] = ()
    sequence: tuple[RefStep, ...] = ()
    within: int = 0
    new: tuple[str, ...] = ()
    memory: int = 0
    learn: int = 0
    hold: int = 0
    clear_after: int | None = None
    update_every: int = 60_000
    auto_resolve: frozenset[str] = frozenset({"blue"})
    shown: tuple[str, ...] = ()
    mode: str = "on"
    forget: int = 400 * 86_400_000
    domain: str = "testing"
    max_open: int = 500
    max_rate: int | None = None
    #: of a rule over alerts: which rules over alerts it names, and how far it stands above the ordinary ones
    named: frozenset[str] = frozenset()
    level: int = 0
    #: two rules of one id and version mean the same
    version: str = ""

    @property
    def feeds(self) -> set[str]:
        if self.kind != "sequence":
            return {self.feed}
        named = {step.feed for step in self.sequence}
        return named | {step.unless[0] for step in self.sequence if step.unless}


def holds(condition: Condition | None, fields: Fields) -> bool:
    """Three-valued logic ends here: unknown does not hold. No condition at all always does."""
    return condition is None or condition(fields) is True


def first_rung(rule: RefRule, fields: Fields) -> str | None:
    """The severity: the first of the ladder that holds; None where none does."""
    return next((word for word, condition in rule.ladder if holds(condition, fields)), None)
