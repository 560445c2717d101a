"""What every rule kind does alike at run time: its episodes, and the alerts they name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import polars as pl

from events.feeds import FeedCatalog
from events.times import format_ms
from events.transition import SEVERITIES, Key
from rules.arrays import Ints, Renumbering
from rules.book import AlertBook, Opening
from rules.episodes import CLOSE, ESCALATE, OPEN, Change, Episodes
from rules.keys import KeyIndex
from rules.model import Rule
from rules.stretch import Passage, Stretch

#: rank (4 red ... 1 blue) -> word
SEVERITY_OF = {4 - place: name for place, name in enumerate(SEVERITIES)}


#: row of an evaluation -> index of the record that caused it; asked only for the few rows where something happened
CauseOf = Callable[[int], int]


def _no_rows(row: int) -> int:
    raise AssertionError(f"row {row}: nothing was evaluated yet")


class Runtime(ABC):
    """One rule at work. ``keyless`` counts matching events without one of the key's fields."""

    def __init__(self, rule: Rule, keys: KeyIndex, book: AlertBook) -> None:
        self.rule = rule
        self.keys = keys
        self.book = book
        self.keyless = 0

    def begin(self, at_ms: int) -> None:  # noqa: B027 - most kinds need not know
        """The rule came into force: at its activation, in a replay at the first event. May be called again."""

    @abstractmethod
    def resolve(self, alert: str) -> None:
        """A person resolved the alert: its episode is over."""

    def trues(self, alert: str) -> int | None:  # noqa: ARG002 - kinds without evaluations have nothing to count
        """True evaluations since the alert opened; None where its newest transition says it."""
        return None

    @abstractmethod
    def alerts(self) -> list[str]:
        """Ids of the alerts whose condition this rule still holds active."""

    @abstractmethod
    def busy(self) -> Ints:
        """Codes of the keys that must not be forgotten."""

    @abstractmethod
    def renumber(self, renumbering: Renumbering) -> None:
        """Some keys were forgotten, and the others have new codes."""

    @abstractmethod
    def state(self) -> dict[str, Any]: ...

    @abstractmethod
    def load(self, state: dict[str, Any]) -> None: ...

    def retire(self, at_ms: int, cause: int, reason: str) -> None:
        """The rule is gone: so are its alerts' conditions."""
        for alert in self.alerts():
            count = self.trues(alert)
            self.book.close(alert, at_ms, auto_resolve=self.rule.auto_resolve, cause=cause, count=count, reason=reason)

    def key(self, code: int) -> Key:
        return self.keys.key(code)


class EpisodeRuntime(Runtime):
    """Kinds whose keys are evaluated again and again: each, window, sliding."""

    #: an evaluation at the very instant of ``due`` may still come when the watermark stands there
    closes_when_passed = True

    def __init__(self, rule: Rule, keys: KeyIndex, book: AlertBook, *, in_arrival_order: bool = False) -> None:
        super().__init__(rule, keys, book)
        self.episodes = Episodes(
            hold_ms=rule.hold_ms,
            update_every_ms=rule.update_every_ms,
            clear_after_ms=rule.clear_after_ms,
            in_arrival_order=in_arrival_order,
        )
        self._alert_of: dict[int, str | None] = {}  # by slot
        self._code_of: dict[str, int] = {}  # by alert
        #: of the evaluations of the stretch in hand
        self._cause_of: CauseOf = _no_rows

    def remember(self, openings: Iterable[tuple[Key, int]], types: Mapping[str, Any], now_ms: int) -> None:
        """Keys with the instants at which alerts of this rule opened lately, before it was what it is now. ``types``: of the key's
        columns.
        """
        self.episodes.lose(now_ms)
        for key, opened_ms in openings:
            # a key of other fields, or of other types, is none of this rule's
            if key.keys() == types.keys() and all(pl.Series([key[name]]).dtype == types[name] for name in types):
                code = self.keys.code_of(key, dict(types))
                self.episodes.remember(code, opened_ms, keys=self.keys.size)

    def apply(
        self,
        changes: list[Change],
        describe: Callable[[Change], Opening],
        cause_of: CauseOf,
        passage: Passage,
    ) -> None:
        """Turn changes of episodes into transitions. ``cause_of(row)``: index of the record at fault for an evaluation."""
        self._cause_of = cause_of
        # an old opening over again: the two are one, and what that one became is over
        nameless: dict[int, int] = {}
        for change in changes:
            if change.kind in (OPEN, CLOSE):
                nameless.pop(change.slot, None)
            if change.row is None:
                self._close_by_time(change, cause_of, passage)
                continue
            cause = passage.position(cause_of(change.row))
            opening = describe(change)
            if change.kind == OPEN:
                alert = self.book.open(self.rule, self.key(change.code), opening, cause=cause)
                self._alert_of[change.slot] = alert
                if alert is not None:
                    self._code_of[alert] = change.code
                else:
                    nameless[change.slot] = change.code
                continue
            alert = self._alert_of.get(change.slot)
            if alert is None:
                continue
            type_ = "closed" if change.kind == CLOSE else "escalated" if change.kind == ESCALATE else "updated"
            self.book.follow(alert, type_, self.rule, opening, count=change.trues, cause=cause)
            if change.kind == CLOSE:
                self._forget(change.slot)
        for code in nameless.values():
            self.episodes.end(code)

    def pass_time(self, passage: Passage) -> None:
        """Close what is due by the watermark."""
        before = passage.end if self.closes_when_passed else passage.end + 1
        for change in self.episodes.expire(before):
            self._close_by_time(change, self._cause_of, passage)

    def _close_by_time(self, change: Change, cause_of: CauseOf, passage: Passage) -> None:
        index = int(passage.passed(change.at) if self.closes_when_passed else passage.reached(change.at))
        if change.no_later_than is not None:
            index = min(index, cause_of(change.no_later_than))
        if change.no_earlier_than is not None:
            index = max(index, cause_of(change.no_earlier_than))
        alert = self._alert_of.get(change.slot)
        if alert is not None:
            cause = passage.position(index)
            self.book.close(alert, change.at, auto_resolve=self.rule.auto_resolve, count=change.trues, cause=cause)
        self._forget(change.slot)

    def _forget(self, slot: int) -> None:
        alert = self._alert_of.pop(slot, None)
        if alert is not None:
            self._code_of.pop(alert, None)

    def trues(self, alert: str) -> int | None:
        code = self._code_of.get(alert)
        return None if code is None else self.episodes.trues(code)

    def resolve(self, alert: str) -> None:
        code = self._code_of.pop(alert, None)
        if code is None:
            return
        self.episodes.end(code)
        self._alert_of = {slot: name for slot, name in self._alert_of.items() if name != alert}

    def alerts(self) -> list[str]:
        return list(self._code_of)

    def busy(self) -> Ints:
        return self.episodes.busy()

    def renumber(self, renumbering: Renumbering) -> None:
        self.episodes.renumber(renumbering)
        self._code_of = {alert: int(renumbering.new[code]) for alert, code in self._code_of.items()}

    def state(self) -> dict[str, Any]:
        return {
            "episodes": self.episodes.state(),
            "alert_of": list(self._alert_of.items()),
            "code_of": self._code_of,
            "keyless": self.keyless,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.episodes.load(state["episodes"])
        self._alert_of = dict(state["alert_of"])
        self._code_of = dict(state["code_of"])
        self.keyless = state["keyless"]


class Shown:
    """The fields of an event that its alert shows."""

    def __init__(self, rule: Rule, catalog: FeedCatalog) -> None:
        #: name shown -> (column, is a time)
        self._fields = {
            name: (catalog.column(rule.feed, name), catalog.field_type(rule.feed, name) == "time")
            for name in rule.shown
        }
        self.columns = tuple(column for column, _ in self._fields.values())

    def values(self, stretch: Stretch, row: int) -> dict[str, Any]:
        shown = {}
        for name, (column, is_time) in self._fields.items():
            value = stretch.value(row, column)
            shown[name] = format_ms(value) if is_time and value is not None else value
        return shown


def event_value(stretch: Stretch, row: int, column: str) -> str | None:
    value = stretch.value(row, column)
    return None if value is None else str(value)
