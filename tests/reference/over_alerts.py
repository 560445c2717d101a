"""Transitions as events: what rules over alerts see, and which of them see it."""

from __future__ import annotations

from tests.reference.alerts import Alert, Told, key_json
from tests.reference.clock import ALERT
from tests.reference.rule import RANK, Fields, RefRule

SOURCE = "fengsui"


def as_event(told: Told) -> Fields:
    same = ("alert", "rule", "domain", "severity", "type", "state", "condition", "reason", "by", "n", "count", "shadow")
    return {name: told[name] for name in same} | {
        "id": f"{told['alert']}/{told['n']}",
        "feed": ALERT,
        "source": SOURCE,
        "time": told["at"],
        "region": told["region"],
        "subject": told["subject"],
        "key": key_json(told["key"]),
        "rank": RANK[told["severity"]],
    }


def sees(rule: RefRule, alert: Alert) -> bool:
    """All rules over ordinary feeds, and those over alerts that it names; of shadows only shadows."""
    if ALERT not in rule.feeds or (alert.rule.mode == "shadow" and rule.mode != "shadow"):
        return False
    return alert.rule.level == 0 or alert.rule.id in rule.named
