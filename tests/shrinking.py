"""A big failing case made small: rules and stretches of the stream are left out as long as it goes on failing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import yaml

from tests.strategies.case import Case, RuleFiles


def shrunken(case: Case, fails: Callable[[Case], bool], *, tries: int = 400) -> Case:
    """The smallest case found within so many tries for which ``fails`` still holds."""
    budget = [tries]

    def still(other: Case) -> bool:
        budget[0] -= 1
        return budget[0] >= 0 and fails(other)

    case = _fewer_rules(case, still)
    case = _fewer_ops(case, still)
    return _fewer_rules(case, still)


def _fewer_rules(case: Case, still: Callable[[Case], bool]) -> Case:
    ids = sorted({rule.id for one in case.sets for rule in one.rules})
    size = len(ids)
    while size:
        for start in range(0, len(ids), size):
            gone = set(ids[start : start + size])
            fewer = replace(case, sets=[_without(one, gone) for one in case.sets])
            if len(gone) < len(ids) and _sound(fewer) and still(fewer):
                return _fewer_rules(fewer, still)
        size //= 2
    return case


def _without(one: RuleFiles, gone: set[str]) -> RuleFiles:
    listed = yaml.safe_load(one.files["rules.yaml"])["rules"]
    kept = [spec for spec in listed if spec["id"] not in gone]
    text = yaml.safe_dump({"rules": kept}, sort_keys=False, allow_unicode=True)
    rules = [rule for rule in one.rules if rule.id not in gone]
    return replace(one, files={**one.files, "rules.yaml": text}, rules=rules)


def _sound(case: Case) -> bool:
    """No set is empty, and no rule names one that is gone."""
    return all(one.rules and all(rule.named <= {r.id for r in one.rules} for rule in one.rules) for one in case.sets)


def _fewer_ops(case: Case, still: Callable[[Case], bool]) -> Case:
    """The first op stays: it says whether the log is a live one."""
    size = len(case.ops) // 2
    while size:
        start = 1
        while start < len(case.ops):
            fewer = replace(case, ops=case.ops[:start] + case.ops[start + size :])
            if still(fewer):
                case = fewer
            else:
                start += size
        size //= 2
    return case
