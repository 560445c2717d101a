"""A rule's conditions against given values, part by part: why an evaluation held, or did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import polars as pl

from events.times import parse_instant
from rules.expressions import Scope
from rules.expressions.parts import Operand, Part, taken_apart
from rules.expressions.value import DTYPES
from rules.model import Expr, Rule, RuleSet, Type
from rules.reader.reading import Setting
from rules.reader.scopes import event_scope, judged_scope

Event = TypeVar("Event", bound=Mapping[str, Any])


@dataclass(frozen=True)
class Finding:
    """What a part came to. ``holds``: None where a value is missing, which does not hold. ``values``: of its operands."""

    part: Part
    holds: bool | None
    values: tuple[tuple[Operand, Any], ...] = ()
    parts: tuple[Finding, ...] = ()

    def leaves(self) -> Iterator[Finding]:
        """The parts that have none, in order."""
        if not self.parts:
            yield self
        for part in self.parts:
            yield from part.leaves()


class Judge:
    """Compiles the conditions of a rule anew, part by part, over the names that the rule's own have."""

    def __init__(self, ruleset: RuleSet, rule: Rule) -> None:
        self._setting = Setting.of(ruleset)
        self.zone_ms = self._setting.zone_ms
        self._rule = rule
        self._known: dict[tuple[str, str], tuple[Scope, Part]] = {}

    def over_event(self, condition: Expr, feed: str, event: Mapping[str, Any]) -> Finding:
        """A ``where``, or a condition of kind each, over an event's fields as they came."""
        scope, part = self._taken_apart(condition, feed)
        return _found(part, _rows(scope, part, [event]))

    def judged(self, condition: Expr, values: Mapping[str, Any]) -> Finding:
        """``when``, ``clear`` or a rung, over what the rule's kind reads: measures and the key, or an event's fields."""
        scope, part = self._taken_apart(condition, self._own)
        return _found(part, _rows(scope, part, [values]))

    def holding(self, condition: Expr | None, feed: str, events: Sequence[Mapping[str, Any]]) -> list[bool]:
        """For each of many events, whether the condition holds."""
        return self._holding(condition, feed, events)

    def truths(self, condition: Expr | None, values: Sequence[Mapping[str, Any]]) -> list[bool]:
        """For each of many evaluations, whether a condition over what the rule's kind reads holds."""
        return self._holding(condition, self._own, values)

    def nearest_to_holding(self, condition: Expr, feed: str, events: Sequence[Event]) -> Event:
        """Of some events the one for which the most parts of a condition hold; of several the first."""
        scope, part = self._taken_apart(condition, feed)
        rows = _rows(scope, part, events)
        held = [
            rows.select(leaf.expr.expr.fill_null(value=False).cast(pl.Int64).alias("out"))["out"]
            for leaf in part.leaves()
        ]
        scores = [sum(column) for column in zip(*held, strict=True)]
        return events[scores.index(max(scores))]

    @property
    def _own(self) -> str:
        """The feed whose fields the rule's conditions read; empty for measures."""
        return "" if self._rule.window is not None else self._rule.feed

    def _holding(self, condition: Expr | None, feed: str, rows: Sequence[Mapping[str, Any]]) -> list[bool]:
        if condition is None or not rows:
            return [True] * len(rows)
        scope, part = self._taken_apart(condition, feed)
        found = _rows(scope, part, rows).select(part.expr.expr.alias("out"))["out"]
        return [holds is True for holds in found]

    def _taken_apart(self, condition: Expr, feed: str) -> tuple[Scope, Part]:
        name = (condition.text, feed)
        if name not in self._known:
            scope = event_scope(self._setting, feed) if feed else judged_scope(self._setting, self._rule)
            self._known[name] = scope, taken_apart(condition.text, scope, zone_ms=self.zone_ms)
        return self._known[name]


def _rows(scope: Scope, part: Part, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows with the columns that a condition reads; what is not there, or of another type, is null."""
    read = [name for name in scope.types if scope.column(name) in part.expr.fields]
    columns = {
        scope.column(name): pl.Series(
            [_typed(row.get(name), scope.types[name]) for row in rows], dtype=DTYPES[scope.types[name]]
        )
        for name in read
    }
    # a condition that reads nothing is as long as its frame
    return pl.DataFrame(columns or {" ": [None] * len(rows)})


def _typed(value: Any, type_: Type) -> Any:
    if isinstance(value, str) and type_ == "time":
        try:
            return parse_instant(value)
        except ValueError:
            return None
    fits = {
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer(),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "time": isinstance(value, int) and not isinstance(value, bool),
        "null": False,
    }
    if not fits[type_]:
        return None
    return int(value) if type_ == "integer" else float(value) if type_ == "number" else value


def _found(part: Part, row: pl.DataFrame) -> Finding:
    holds = row.select(part.expr.expr.alias("out"))["out"][0]
    values = tuple((operand, row.select(operand.expr.expr.alias("out"))["out"][0]) for operand in part.operands)
    return Finding(part, holds, values, tuple(_found(inner, row) for inner in part.parts))
