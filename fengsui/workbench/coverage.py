"""Which rules, and which rungs of their ladders, the fixtures show: firing, and not firing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fengsui.workbench.trial import Verdict
from rules.model import Place, Rule


@dataclass(frozen=True)
class Coverage:
    """What is left to show. What a fixture expects counts, whether it passes or not.

    Rules that one text makes, a template for each row of a table, count as one: the first of them stands for all. ``unfired`` and ``unquiet``: rules without a fixture that fires, or that does not. ``unreached`` and ``unspared``: (rule,
    severity) of the rungs that no fixture reaches, or that none leaves out. ``rungs``: those of all ladders.
    """

    rules: int
    rungs: int
    unfired: tuple[str, ...]
    unquiet: tuple[str, ...]
    unreached: tuple[tuple[str, str], ...]
    unspared: tuple[tuple[str, str], ...]

    @property
    def whole(self) -> bool:
        return not (self.unfired or self.unquiet or self.unreached or self.unspared)


def cover(rules: Sequence[Rule], verdicts: Sequence[Verdict]) -> Coverage:
    first: dict[Place, Rule] = {}
    for rule in rules:
        first.setdefault(rule.place, rule)
    texts = {rule.id: first[rule.place].id for rule in rules}
    #: rule -> the severities that each of its fixtures reaches, none where it stays quiet
    shown: dict[str, list[frozenset[str]]] = {rule.id: [] for rule in first.values()}
    for verdict in verdicts:
        for name in texts.keys() & set(verdict.fixture.rules):
            shown[texts[name]].append(_reached(verdict, name))
    ladders = [
        (rule.id, severity) for rule in first.values() if len(rule.severity) > 1 for severity, _ in rule.severity
    ]
    return Coverage(
        rules=len(shown),
        rungs=len(ladders),
        unfired=tuple(rule for rule in shown if not any(shown[rule])),
        unquiet=tuple(rule for rule in shown if frozenset() not in shown[rule]),
        unreached=tuple(rung for rung in ladders if not any(rung[1] in reached for reached in shown[rung[0]])),
        unspared=tuple(rung for rung in ladders if all(rung[1] in reached for reached in shown[rung[0]])),
    )


def _reached(verdict: Verdict, rule: str) -> frozenset[str]:
    """The severities of what must open or escalate: as written, else as it happened, else none that a ladder has."""
    found = set()
    for row in verdict.rows:
        expectation = row.expectation
        if expectation is None or expectation.never or expectation.rule != rule:
            continue
        if expectation.type in ("opened", "escalated"):
            written = next((want.text for name, want in expectation.fields if name == "severity"), None)
            found.add(written or (row.transition.severity if row.transition else ""))
    return frozenset(found)
