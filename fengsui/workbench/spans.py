"""How far a rule looks beyond an event: so long after the last one it may still open an alert."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from events.feeds import ALERT_FEED
from rules.model import Rule


def span_ms(rule: Rule, rules: Mapping[str, Rule], feeds: Collection[str]) -> int:
    """A window's size, a session's gap, an absence, the time of a sequence that ends in one; 0 where only events open alerts.

    A rule over alerts looks as far as it does itself after the furthest of the rules below it: those that read one of
    ``feeds``, and those over alerts that it names.
    """
    if ALERT_FEED not in rule.feeds:
        return _own_ms(rule)
    plain = (other for other in rules.values() if ALERT_FEED not in other.feeds and not other.feeds.isdisjoint(feeds))
    above = (rules[name] for name in rule.named if name in rules)
    below = [*map(_own_ms, plain), *(span_ms(other, rules, feeds) for other in above)]
    return _own_ms(rule) + max(below, default=0)


def _own_ms(rule: Rule) -> int:
    if rule.window is not None:
        return 0 if rule.window.shape == "sliding" else rule.window.size_ms
    if rule.absent_ms is not None:
        return rule.absent_ms
    waits = bool(rule.sequence) and rule.sequence[-1].absent
    return rule.within_ms or 0 if waits else 0
