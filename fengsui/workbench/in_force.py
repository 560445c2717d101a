"""Which rules a system judged by, as its store remembers them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from events.feeds import FeedCatalog
from events.times import MAX_MS
from fengsui.settings import Settings
from fengsui.workbench.playback import Source
from rules.errors import RuleErrors
from rules.load import load_bundle, load_rules, packs_directory
from rules.model import Rule, RuleSet
from sinks.store.history import StoredActivation


def rules_at(source: Source, at_ms: int) -> Iterator[tuple[int, RuleSet]]:
    """The rule set in force at an instant, and when it came into force; then those before it that may have judged late events.

    Sets that this version of the program refuses are passed over.
    """
    yield from _loaded(source, (one for one in reversed(_activations(source)) if one.at_ms <= at_ms))


def rules_around(source: Source, at_ms: int) -> Iterator[RuleSet]:
    """As ``rules_at``, then those after it: what happened before a set came into force may have arrived after."""
    yield from (ruleset for _, ruleset in rules_at(source, at_ms))
    later = (one for one in _activations(source) if one.at_ms > at_ms)
    yield from (ruleset for _, ruleset in _loaded(source, later))


def _activations(source: Source) -> Sequence[StoredActivation]:
    """All of them, by position: those of a stretch at whose beginning nothing else was in force."""
    return source.outline(sorted(FeedCatalog.builtin().feeds), MAX_MS - 1, MAX_MS).activations


def _loaded(source: Source, activations: Iterable[StoredActivation]) -> Iterator[tuple[int, RuleSet]]:
    for activation in activations:
        text = source.bundle(activation.pos)
        try:
            if text:
                yield activation.at_ms, load_bundle(msgspec.json.decode(text))
        except RuleErrors:
            continue


def rules_now(source: Source, settings: Settings) -> RuleSet:
    """The directory that was named; else what the system has in force; else the packs."""
    if settings.rules is None:
        for _, ruleset in rules_at(source, MAX_MS - 1):
            return ruleset
    return load_rules(settings.rules or packs_directory(), zone=settings.zone)


def rule_in(ruleset: RuleSet, name: str) -> Rule | None:
    return next((rule for rule in ruleset.rules if rule.id == name), None)
