"""What came of a backtest, as values: for the terminal, as JSON, and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from events.times import format_ms
from fengsui.workbench.matching import RELATIONS, Counts, Pair, grouped, loudest
from fengsui.workbench.opening import Opening

#: Regions and subjects that a report names; the others are counted together.
MAX_GROUPS = 20
LOUDEST = 10
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Note:
    """Something that a reader must know to judge the figures."""

    zh: str
    en: str


@dataclass(frozen=True)
class InForce:
    """A version of a rule that was in force since ``from_ms``; ``version`` empty: the rule was not there."""

    from_ms: int
    version: str
    mode: str = "on"


@dataclass(frozen=True)
class RuleReport:
    """One rule on trial. ``compared``: False where there is nothing that could have opened before."""

    rule: str
    title: Mapping[str, str]
    kind: str
    version: str
    pairs: Sequence[Pair]
    compared: bool = True
    in_force: Sequence[InForce] = ()
    notes: Sequence[Note] = ()

    @property
    def counts(self) -> Counts:
        return Counts.of(self.pairs)

    def of_days(self, report: Report) -> list[tuple[str, Counts]]:
        """Every local day of the stretch, also those on which nothing opened."""
        groups = grouped(self.pairs, lambda one: report.day(one.opened_ms))
        return [(day, Counts.of(groups.get(day, ()))) for day in report.days()]

    def of_regions(self) -> list[tuple[str, Counts]]:
        return _ranked(grouped(self.pairs, lambda one: one.region))

    def of_subjects(self) -> list[tuple[str, Counts]]:
        return _ranked(grouped(self.pairs, lambda one: one.subject))

    def loudest(self) -> list[tuple[Opening, Counts]]:
        return loudest(self.pairs, LOUDEST)


@dataclass(frozen=True)
class Report:
    """A backtest. ``read`` events in ``seconds``; ``warm_ms``: since when events were read; ``source``: where they came from."""

    file: str
    source: str
    from_ms: int
    to_ms: int
    warm_ms: int
    zone: str
    read: int
    seconds: float
    rules: Sequence[RuleReport]
    notes: Sequence[Note] = field(default=())

    @property
    def pace(self) -> float:
        """Events a second."""
        return self.read / self.seconds if self.seconds else 0.0

    def local(self, ms: int) -> datetime:
        return datetime.fromtimestamp(ms / 1000, ZoneInfo(self.zone))

    def day(self, ms: int) -> str:
        """The local day, ``2026-01-01``."""
        return self.local(ms).date().isoformat()

    def moment(self, ms: int) -> str:
        """Local time to the second."""
        return self.local(ms).strftime("%Y-%m-%d %H:%M:%S")

    def days(self) -> list[str]:
        """The local days that the stretch touches."""
        first, last = self.local(self.from_ms).date(), self.local(max(self.from_ms, self.to_ms - 1)).date()
        return [(first + timedelta(days=i)).isoformat() for i in range((last - first).days + 1)]

    @property
    def length_days(self) -> float:
        return max(1, self.to_ms - self.from_ms) / _DAY_MS


def _ranked(groups: Mapping[str, Sequence[Pair]]) -> list[tuple[str, Counts]]:
    """Most openings first."""
    counted = [(name, Counts.of(pairs)) for name, pairs in groups.items()]
    return sorted(counted, key=lambda pair: (-pair[1].would - pair[1].did, pair[0]))


def to_json(report: Report) -> bytes:
    """The whole report, every opening in it (docs/backtesting.md)."""
    return msgspec.json.format(msgspec.json.encode(_report(report)), indent=2) + b"\n"


def _report(report: Report) -> dict[str, Any]:
    return {
        "file": report.file,
        "source": report.source,
        "from": format_ms(report.from_ms),
        "to": format_ms(report.to_ms),
        "read_from": format_ms(report.warm_ms),
        "zone": report.zone,
        "events": report.read,
        "seconds": round(report.seconds, 3),
        "notes": [_note(note) for note in report.notes],
        "rules": [_rule(rule, report) for rule in report.rules],
    }


def _note(note: Note) -> dict[str, str]:
    return {"zh": note.zh, "en": note.en}


def _rule(rule: RuleReport, report: Report) -> dict[str, Any]:
    return {
        "rule": rule.rule,
        "title": dict(rule.title),
        "kind": rule.kind,
        "version": rule.version,
        "compared": rule.compared,
        "in_force": [
            {"from": format_ms(one.from_ms), "version": one.version or None, "mode": one.mode} for one in rule.in_force
        ],
        "notes": [_note(note) for note in rule.notes],
        "counts": _counts(rule.counts),
        "per_day": round(rule.counts.would / report.length_days, 3),
        "days": [{"day": day, **_counts(counts)} for day, counts in rule.of_days(report)],
        "regions": [{"region": name or None, **_counts(counts)} for name, counts in rule.of_regions()],
        "subjects": [{"subject": name or None, **_counts(counts)} for name, counts in rule.of_subjects()],
        "loudest": [
            {"key": msgspec.json.decode(one.key), "region": one.region or None, **_counts(counts)}
            for one, counts in rule.loudest()
        ],
        "openings": [
            {
                "relation": pair.relation,
                "severity_changed": pair.severity_changed,
                "key": msgspec.json.decode(pair.opening.key),
                "region": pair.opening.region or None,
                "subject": pair.opening.subject or None,
                "would": _side(pair.would),
                "did": _side(pair.did),
            }
            for pair in rule.pairs
        ],
    }


def _counts(counts: Counts) -> dict[str, int]:
    return {
        "would": counts.would,
        "did": counts.did,
        **{relation: counts[relation] for relation in RELATIONS},
        "severity_changed": counts.severity_changed,
    }


def _side(one: Opening | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "alert": one.alert,
        "at": format_ms(one.opened_ms),
        "closed_at": None if one.closed_ms is None else format_ms(one.closed_ms),
        "severity": one.severity,
        "peak": one.peak,
        "shadow": one.shadow,
        "summary": one.summary,
    }
