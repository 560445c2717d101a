"""One rule set written in different ways: plainly, with constants, or out of a template. What it means stays the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

WAYS = ("plain", "plain", "constants", "template")
_NAMED = ("clear_after", "hold", "update_every", "within", "absent", "memory")
_SHARED = ("title", "domain", "forget")


def written(specs: Sequence[Mapping[str, Any]], way: str) -> str:
    """The text of a rule file."""
    file = {"plain": _plain, "constants": _constants, "template": _template}[way](specs)
    return yaml.safe_dump(file, sort_keys=False, allow_unicode=True)


def _plain(specs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"rules": [dict(spec) for spec in specs]}


def _constants(specs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Durations by name, and a word within a text."""
    constants: dict[str, Any] = {"word": "test"}
    rules = []
    for number, spec in enumerate(specs):
        rule = dict(spec) | {"summary": spec.get("summary", {"zh": "试验", "en": "A ${word}"})}
        for name in _NAMED:
            if name in rule:
                constants[f"{name}_{number}"] = rule[name]
                rule[name] = f"${{{name}_{number}}}"
        rules.append(rule)
    return {"constants": constants, "rules": rules}


def _template(specs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all rules share stands in the template, and their names are its parameters."""
    shared = {name: specs[0][name] for name in _SHARED}
    rules = []
    for spec in specs:
        own = {name: value for name, value in spec.items() if name != "id" and shared.get(name) != value}
        rules.append({"template": "each", "with": {"name": spec["id"]}} | own)
    return {"templates": {"each": {"id": "${name}"} | shared}, "rules": rules}
