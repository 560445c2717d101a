"""The rules on trial: those of one file, checked in the context of a rules directory, with all that must run for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from events.feeds import ALERT_FEED
from fengsui.exits import InputFault
from rules.load import load_rules
from rules.model import Rule, RuleSet


@dataclass(frozen=True)
class Candidate:
    """``rules``: those on trial. ``played``: they, and for rules over alerts the directory's others. ``current``: the directory.

    ``inside``: the file is one of the directory's, so that the directory has no other version of its rules.
    """

    file: Path
    directory: Path
    rules: tuple[Rule, ...]
    played: RuleSet
    current: RuleSet
    inside: bool

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(rule.id for rule in self.rules)

    @property
    def feeds(self) -> frozenset[str]:
        """Every feed that must be read."""
        return frozenset(feed for rule in self.played.rules for feed in rule.feeds) - {ALERT_FEED}

    @property
    def over_alerts(self) -> bool:
        return any(ALERT_FEED in rule.feeds for rule in self.rules)

    def before(self) -> RuleSet | None:
        """What would run of the directory's own versions of the rules on trial; None where it has none of them."""
        theirs = [rule for rule in self.current.rules if rule.id in self.ids]
        if not theirs:
            return None
        if any(ALERT_FEED in rule.feeds for rule in theirs):
            return self.current
        return replace(self.current, rules=tuple(theirs))


def load_candidate(file: Path, directory: Path | None, *, zone: str) -> Candidate:
    """``directory``: None for the one that the file stands in. RuleErrors, InputFault.

    A rule that is off is tried all the same.
    """
    if not file.is_file():
        raise InputFault(f"{file}: no such file of rules")
    directory = directory or file.resolve().parent
    current = load_rules(directory, zone=zone)
    root = directory.resolve().parent if directory.is_file() else directory.resolve()
    inside = file.resolve() == directory.resolve() or (directory.is_dir() and file.resolve().is_relative_to(root))
    if inside:
        whole = current
        name = file.resolve().relative_to(root).as_posix()
    else:
        whole = load_rules(directory, zone=zone, trial=file)
        name = str(file)
    tried = [rule for rule in whole.rules if rule.place.file == name]
    if not tried:
        raise InputFault(f"{file}: no rules in it; a file holds a list under `rules:` (docs/rules.md)")
    on = {rule.id: replace(rule, mode="on") if rule.mode == "off" else rule for rule in tried}
    rules = tuple(on.values())
    played = replace(whole, rules=rules)
    if any(ALERT_FEED in rule.feeds for rule in rules):
        played = replace(whole, rules=tuple(on.get(rule.id, rule) for rule in whole.rules))
    return Candidate(file, directory, rules, played, current, inside)
