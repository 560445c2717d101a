"""An engine that plays some rules over history, and what they opened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from events.record import Record
from fengsui.workbench.opening import Opening, OpeningBook
from rules.model import RuleSet
from streams.engine import Engine


class Stage:
    """``watched``: the ids of the rules whose openings are kept; others run because those need them."""

    def __init__(self, ruleset: RuleSet, watched: Iterable[str], feeds: Iterable[str], to_ms: int | None) -> None:
        self._engine = Engine(ruleset)
        self._book = OpeningBook(watched, to_ms)
        self._feeds = tuple(feeds)
        self._to_ms = to_ms

    def begin(self, at_ms: int) -> None:
        """The rules are in force since this instant."""
        self._engine.begin(at_ms)

    def step(self, records: Sequence[Record]) -> None:
        self._book.take(self._engine.step(records).transitions)

    @property
    def clock_ms(self) -> int | None:
        return self._engine.clock_ms

    @property
    def over(self) -> bool:
        """Has time gone on so far that nothing before the end can open any more, but by events that come late?"""
        if self._to_ms is None:
            return False
        marks = self._engine.watermarks()
        return all(marks.get(feed, -(1 << 62)) >= self._to_ms for feed in self._feeds)

    def openings(self, from_ms: int | None = None) -> list[Opening]:
        return self._book.openings(from_ms)
