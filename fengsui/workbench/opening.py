"""An alert as a backtest sees it: when it opened, how high it rose, when it was over."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import polars as pl

from events.times import parse_instant
from events.transition import RANK, Transition, key_json


class Opening(msgspec.Struct, frozen=True):
    """``key``: JSON. ``severity``: at the opening; ``peak``: the highest. ``closed_ms``: None where it still stood at the end."""

    alert: str
    rule: str
    version: str
    key: str
    region: str
    subject: str
    severity: str
    peak: str
    opened_ms: int
    closed_ms: int | None = None
    shadow: bool = False
    summary: dict[str, str] = {}

    @property
    def key_text(self) -> str:
        """The key's values, as a person would say them."""
        values = msgspec.json.decode(self.key)
        if not isinstance(values, dict):
            return self.key
        return " · ".join(
            value if isinstance(value, str) else msgspec.json.encode(value).decode() for value in values.values()
        )


class OpeningBook:
    """Gathers the openings of some rules out of transitions. Those at ``to_ms`` and later are left out."""

    def __init__(self, rules: Iterable[str], to_ms: int | None) -> None:
        self._rules = frozenset(rules)
        self._to_ms = to_ms
        self._openings: dict[str, Opening] = {}

    def take(self, transitions: Iterable[Transition]) -> None:
        for transition in transitions:
            if transition.rule not in self._rules or transition.type == "updated":
                continue
            at_ms = parse_instant(transition.at)
            if self._to_ms is not None and at_ms >= self._to_ms:
                continue
            if transition.type == "opened":
                self._openings[transition.alert] = _opening(transition, at_ms)
                continue
            known = self._openings.get(transition.alert)
            if known is not None:
                self._openings[transition.alert] = _followed(known, transition)

    def openings(self, from_ms: int | None = None) -> list[Opening]:
        """By time: those since ``from_ms``, and those that stood then."""
        found = [
            one
            for one in self._openings.values()
            if from_ms is None or one.opened_ms >= from_ms or one.closed_ms is None or one.closed_ms >= from_ms
        ]
        return sorted(found, key=lambda one: (one.opened_ms, one.rule, one.key))


def _opening(transition: Transition, at_ms: int) -> Opening:
    return Opening(
        alert=transition.alert,
        rule=transition.rule,
        version=transition.version,
        key=key_json(transition.key),
        region=transition.region or "",
        subject=transition.subject or "",
        severity=transition.severity,
        peak=transition.severity,
        opened_ms=at_ms,
        shadow=transition.shadow,
        summary=transition.summary,
    )


def _followed(known: Opening, transition: Transition) -> Opening:
    peak = max(known.peak, transition.severity, key=RANK.__getitem__)
    closed_ms = parse_instant(transition.closed_at) if transition.closed_at else None
    return msgspec.structs.replace(known, peak=peak, closed_ms=closed_ms)


def stored_openings(frame: pl.DataFrame) -> list[Opening]:
    """What the store holds (:data:`sinks.store.history.OPENING_SCHEMA`)."""
    return [
        Opening(**{**row, "summary": msgspec.json.decode(row["summary"] or "{}")})
        for row in frame.iter_rows(named=True)
    ]
