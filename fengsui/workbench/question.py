"""A question of ``--why-not``: a rule, a key, and a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fengsui.exits import InputFault
from rules.model import Rule, RuleSet


@dataclass(frozen=True)
class Question:
    """A rule (as it was in force then), a key, a time. ``begun_ms``: since when the rule set is in force, where that is known."""

    ruleset: RuleSet
    rule: Rule
    key: Mapping[str, Any]
    at_ms: int
    begun_ms: int | None = None


def key_of(text: str, rule: Rule, ruleset: RuleSet) -> dict[str, Any]:
    """``subject=甲厂,metric=w01018``, or the plain value of a key with one field, as the fields' types have it. InputFault."""
    names = rule.alert_key
    such_as = ",".join(f"{name}=..." for name in rule.by)
    if names == ("feed",):
        return {"feed": rule.feed}
    given: dict[str, str] = {}
    pieces = text.split(",")
    for piece in pieces:
        name, sign, value = piece.partition("=")
        if sign and name.strip() in names:
            given[name.strip()] = value.strip()
        elif given and not sign:  # a comma within a value
            last = next(reversed(given))
            given[last] += f",{piece}"
        elif len(rule.by) == 1 and not given:
            given[rule.by[0]] = text.strip()
            break
        else:
            raise InputFault(f"--key: {piece!r} is not understood: the key of {rule.id} is given as {such_as}")
    lacking = [name for name in rule.by if name not in given]
    if lacking:
        raise InputFault(f"--key: {', '.join(lacking)} is missing: the key of {rule.id} is given as {such_as}")
    return {name: _typed(given[name], name, rule, ruleset) for name in names if name in given}


def _typed(text: str, name: str, rule: Rule, ruleset: RuleSet) -> Any:
    type_ = ruleset.catalog.field_type(rule.feed, name)
    try:
        if type_ == "integer":
            return int(text)
        if type_ == "number":
            return float(text)
        if type_ == "boolean":
            return {"true": True, "false": False}[text.lower()]
    except (ValueError, KeyError):
        raise InputFault(f"--key: {name} is a {type_}, not {text!r}") from None
    return text
