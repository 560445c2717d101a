"""A rule before given values: the words that ``--why`` and ``--why-not`` share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from events.event import ENVELOPE
from events.times import parse_instant
from rules.findings import Finding, Judge
from rules.model import Expr, Rule, RuleSet
from rules.words.judged import COVERED, Verdicts, instant, value
from rules.words.lexicon import title
from rules.words.names import TONGUES, event_names, names_of
from rules.words.said import Language
from rules.words.section import Line
from rules.words.speaker import Speaker

_MOST_FIELDS = 6


class Answer(Speaker):
    """Speaks of a rule's conditions with the values that they had."""

    def __init__(self, ruleset: RuleSet, rule: Rule, language: Language) -> None:
        super().__init__(rule, ruleset.catalog, language)
        self.judge = Judge(ruleset, rule)

    # --- times and keys

    def at(self, ms: int | str) -> str:
        """An instant in local time."""
        return instant(parse_instant(ms) if isinstance(ms, str) else ms, self.judge.zone_ms)

    def between(self, from_ms: int | str, to_ms: int | str, *, open_end: bool = True) -> str:
        """A stretch of time; the day is not said twice."""
        begin, end = self.at(from_ms), self.at(to_ms)
        if begin[:10] == end[:10]:
            end = end[11:]
        return self.say(
            f"{begin} 至 {end}{'（不含）' if open_end else ''}",
            f"{begin} to {end}{' (not included)' if open_end else ''}",
        )

    def keyed(self, key: Mapping[str, Any]) -> str:
        """A key in words."""
        if set(key) == {"feed"}:
            return self.say("全部事件合在一起", "all events together")
        return self.say("，", ", ").join(
            f"{self._label(name)} = {value(given, self.language)}" for name, given in key.items()
        )

    def _label(self, name: str, feed: str = "") -> str:
        return self.field(name, feed).removeprefix("the ")

    # --- conditions

    def over_event(self, condition: Expr, feed: str, event: Mapping[str, Any]) -> tuple[Finding, list[str]]:
        """A condition over an event, and its lines."""
        finding = self.judge.over_event(condition, feed, event)
        return finding, self._event_verdicts(feed).lines(finding)

    def judged(self, condition: Expr, values: Mapping[str, Any]) -> tuple[Finding, list[str]]:
        """``when`` or ``clear`` over what the kind reads, and its lines."""
        finding = self.judge.judged(condition, values)
        return finding, self._verdicts().lines(finding)

    def ladder(self, values: Mapping[str, Any]) -> Line | None:
        """The rungs down to the one that held; None where there is only one, without a condition."""
        rungs = self.rule.severity
        if len(rungs) == 1 and rungs[0][1] is None:
            return None
        items = []
        for word, condition in rungs:
            severity = self.severity(word)
            if condition is None:
                items.append(self.say(f"✓ {severity}：其余情况", f"✓ {severity}: otherwise"))
                break
            finding = self.judge.judged(condition, values)
            brief = self._verdicts().brief(finding)
            mark = "✓" if finding.holds else "✗" if finding.holds is False else "?"
            items.append(self.say(f"{mark} {severity}：{brief}", f"{mark} {severity}: {brief}"))
            if finding.holds:
                break
        return Line(self.say("等级（第一个成立的算）：", "Severity (the first that holds):"), tuple(items))

    def _verdicts(self) -> Verdicts:
        if self.rule.window is None:
            return self._event_verdicts(self.rule.feed)
        names = names_of(self.rule, self.catalog, self.language)
        return Verdicts(
            names,
            lambda name: self._label(name) if name in self.rule.by else name,
            TONGUES[self.language],
            zone_ms=self.judge.zone_ms,
        )

    def _event_verdicts(self, feed: str) -> Verdicts:
        return Verdicts(
            event_names(self.catalog, feed, self.language),
            lambda name: self._label(name, feed),
            TONGUES[self.language],
            zone_ms=self.judge.zone_ms,
            covered=self._personal(feed),
        )

    def _personal(self, feed: str) -> frozenset[str]:
        return frozenset(field.name for field in self.catalog.feed(feed).fields.values() if field.personal)

    # --- events

    def event(self, event: Mapping[str, Any], fields: Sequence[str] = ()) -> str:
        """An event in one line: when, what it is called, and the fields that matter (by default the first of its feed)."""
        feed = str(event.get("feed", self.rule.feed))
        declared = self.catalog.feed(feed).fields
        wanted = [name for name in (fields or declared) if name in event and name not in ("time", "id")][:_MOST_FIELDS]
        personal = self._personal(feed)
        told = []
        for name in wanted:
            is_time = self.catalog.field_type(feed, name) == "time"
            given = event[name]
            if is_time and isinstance(given, str):
                given = parse_instant(given)
            shown = (
                COVERED
                if name in personal
                else value(given, self.language, is_time=is_time, zone_ms=self.judge.zone_ms)
            )
            label = (
                title(declared[name].title[self.language], self.language).removeprefix("the ")
                if name in declared
                else self._label(name, feed)
            )
            told.append(f"{label} = {shown}")
        tail = self.say("，", ", ").join(told)
        return f"{self.at(event['time'])} {event.get('id', '')}" + (self.say(f"：{tail}", f": {tail}") if tail else "")

    def read_fields(self, *conditions: Expr | None) -> tuple[str, ...]:
        """The fields of the rule's feed that conditions over events read, those of the key left out."""
        names = {name: self.catalog.column(self.rule.feed, name) for name in self.catalog.field_names(self.rule.feed)}
        columns = {column for condition in conditions if condition is not None for column in condition.fields}
        for measure in self.rule.measures:
            for aggregate in measure.aggregates:
                columns |= aggregate.input.fields if aggregate.input is not None else frozenset()
        return tuple(
            name
            for name, column in names.items()
            if column in columns and name not in self.rule.by and name not in ENVELOPE
        )

    def brief(self, finding: Finding) -> str:
        """A part of the rule's condition as one clause with its values."""
        return self._verdicts().brief(finding)

    def first_failing(self, finding: Finding) -> list[Finding]:
        """The undivided parts that are at fault where the whole does not hold."""
        if finding.holds:
            return []
        if finding.part.op == "and":
            return [leaf for part in finding.parts for leaf in self.first_failing(part)]
        return [finding]
