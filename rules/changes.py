"""What a new rule set does to the one before it, rule by rule."""

from __future__ import annotations

from dataclasses import dataclass

from rules.model import RuleSet


@dataclass(frozen=True)
class Changes:
    """Ids of rules, sorted. ``unchanged`` ones mean what they meant, whatever their texts: they keep their state."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def changes_between(old: RuleSet, new: RuleSet) -> Changes:
    """A rule that is switched off, on or to shadow counts as changed."""
    before = {rule.id: (rule.version, rule.mode) for rule in old.rules}
    after = {rule.id: (rule.version, rule.mode) for rule in new.rules}
    both = sorted(before.keys() & after.keys())
    return Changes(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(name for name in both if before[name] != after[name]),
        unchanged=tuple(name for name in both if before[name] == after[name]),
    )
