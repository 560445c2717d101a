"""How much history before a stretch a rule must have seen, so that it judges the stretch as if it had always been in force."""

from __future__ import annotations

from collections.abc import Collection

from events.feeds import ALERT_FEED, FeedCatalog
from rules.model import Rule

#: An absence that falls due outside of the rule's hours opens at their next beginning: after the longest holidays.
_CALENDAR_MS = 10 * 86_400_000


def warm_up_ms(rules: Collection[Rule], catalog: FeedCatalog) -> int:
    """The longest of the rules' own; rules over alerts need what the rules below them need, too."""
    plain = [rule for rule in rules if ALERT_FEED not in rule.feeds]
    below = max((_of_rule(rule, catalog) for rule in plain), default=0)
    above = max((_of_rule(rule, catalog) for rule in rules if ALERT_FEED in rule.feeds), default=0)
    return below + above


def _of_rule(rule: Rule, catalog: FeedCatalog) -> int:
    """How far back an evaluation looks, and how long an episode lasts without one: what stood at the beginning must be known."""
    specs = [catalog.feeds[feed] for feed in rule.feeds if feed in catalog.feeds]
    delay_ms = max((spec.idle_ms + spec.lateness_ms for spec in specs), default=0)
    return _looked_at_ms(rule) + _stood_ms(rule) + delay_ms


def _looked_at_ms(rule: Rule) -> int:
    """From an evaluation back to the first event that it may have seen."""
    spans = [rule.absent_ms or 0, rule.within_ms or 0, rule.memory_ms + rule.learn_ms]
    if rule.window is not None:
        # of a session, which may have begun long before its last event
        longest_ms = rule.window.max_ms or rule.window.size_ms
        # each baseline may aggregate what the ones before it made of earlier windows
        earlier_ms = sum((one.last + one.skip) * one.every_ms for one in rule.baseline)
        spans.append(longest_ms + earlier_ms)
    if rule.only is not None:
        spans.append(_CALENDAR_MS if rule.absent_ms else 0)
    return max(spans)


def _stood_ms(rule: Rule) -> int:
    """An episode that only a false evaluation ends lasts as long as its key is remembered."""
    if rule.kind in ("sequence", "absent", "new"):
        return rule.hold_ms
    return rule.hold_ms + (rule.forget_ms if rule.clear_after_ms is None else rule.clear_after_ms)
