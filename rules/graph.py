"""Which rules over alerts read which: how high each stands, and that none reads itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from events.feeds import ALERT_FEED
from rules.errors import MAX_ERRORS, RuleError, did_you_mean
from rules.model import Rule
from rules.versions import rule_version

#: Of rules over alerts: one over ordinary alerts has the level 1.
MAX_LEVELS: Final = 16


@dataclass(frozen=True)
class Naming:
    """A rule over alerts asks for the alerts of another one: ``rule = '...'`` or ``rule IN (...)``, at a place of its file."""

    rule: str
    line: int
    column: int


def arranged(rules: Sequence[Rule], namings: Mapping[str, Sequence[Naming]], errors: list[RuleError]) -> list[Rule]:
    """The rules with ``named`` and ``level`` filled in, and their versions by these. ``namings``: by rule id. Reports unknown names and cycles.

    A rule over alerts sees the alerts of rules over ordinary feeds and of the rules over alerts that it names; so only these can
    make a cycle.
    """
    by_id = {rule.id: rule for rule in rules}
    above = {rule.id for rule in rules if ALERT_FEED in rule.feeds}
    for rule in rules:
        for naming in namings.get(rule.id, ()):
            if naming.rule not in by_id and len(errors) < MAX_ERRORS:
                hint = did_you_mean(naming.rule, by_id)
                errors.append(_fault(rule, naming, f"no rule has the id {naming.rule!r}", hint))
    levels: dict[str, int] = {}
    for identity in sorted(above):
        path = _rise(identity, namings, above, levels, ())
        if path:
            rule, naming = by_id[path[0]], next(n for n in namings[path[0]] if n.rule == path[1])
            errors.append(_fault(rule, naming, _told(path), "rules over alerts must not run in a circle"))
            break
    return [_placed(rule, levels.get(rule.id, 0), frozenset(_named(rule.id, namings, above))) for rule in rules]


def _placed(rule: Rule, level: int, named: frozenset[str]) -> Rule:
    """Where a rule stands above others over alerts is part of what it means: it may change when only they do."""
    version = rule_version({"rule": rule.version, "level": level}) if level > 1 else rule.version
    return replace(rule, level=level, named=named, version=version)


def _named(rule: str, namings: Mapping[str, Sequence[Naming]], above: set[str]) -> Iterator[str]:
    return (naming.rule for naming in namings.get(rule, ()) if naming.rule in above)


def _rise(
    rule: str, namings: Mapping[str, Sequence[Naming]], above: set[str], levels: dict[str, int], path: tuple[str, ...]
) -> tuple[str, ...]:
    """Fills in the levels up to ``rule``; -> the ids around a circle, or of a stack too high, or nothing."""
    if rule in path:
        return (*path[path.index(rule) :], rule)
    path = (*path, rule)
    if len(path) + levels.get(rule, 1) > MAX_LEVELS + 1:
        return path
    if rule in levels:
        return ()
    for below in _named(rule, namings, above):
        found = _rise(below, namings, above, levels, path)
        if found:
            return found
    levels[rule] = 1 + max((levels[below] for below in _named(rule, namings, above)), default=0)
    return ()


def _told(path: tuple[str, ...]) -> str:
    if path[0] != path[-1]:
        return f"more than {MAX_LEVELS} rules over alerts stand above each other"
    return "the rule reads its own alerts" + (f" by way of {', '.join(path[1:-1])}" if len(path) > 2 else "")


def _fault(rule: Rule, naming: Naming, message: str, hint: str) -> RuleError:
    return RuleError(rule.place.file, naming.line, naming.column, message, hint)
