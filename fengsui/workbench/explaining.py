"""``fengsui rules explain``: rules in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fengsui.exits import InputFault
from fengsui.settings import Settings
from rules.errors import did_you_mean
from rules.load import load_rules, packs_directory
from rules.model import Rule, RuleSet
from rules.words.rule import describe, heading
from rules.words.said import Language
from rules.words.section import as_text


def explain(named: Sequence[str], settings: Settings, language: Language) -> str:
    """The rules with these ids, or those of a directory or a file of rules. RuleErrors, InputFault."""
    told: list[str] = []
    ruleset: RuleSet | None = None
    for name in named:
        if _is_place(name):
            own = load_rules(Path(name), zone=settings.zone)
            if not own.rules:
                raise InputFault(f"{name}: no rules in it; a file holds a list under `rules:` (docs/rules.md)")
            told += [in_words(rule, own, language) for rule in own.rules]
            continue
        if ruleset is None:
            ruleset = load_rules(settings.rules or packs_directory(), zone=settings.zone)
        told.append(in_words(rule_of(ruleset, name), ruleset, language))
    return "\n\n".join(told)


def _is_place(name: str) -> bool:
    """Ids have no slash and no .yaml; a directory's plain name wins where there is one."""
    return "/" in name or name.endswith((".yaml", ".yml")) or Path(name).is_dir()


def rule_of(ruleset: RuleSet, name: str) -> Rule:
    """The rule with this id. InputFault, with the nearest one."""
    for rule in ruleset.rules:
        if rule.id == name:
            return rule
    ids = [rule.id for rule in ruleset.rules]
    hint = (
        did_you_mean(name, ids) or f"there are {len(ids)} rules; `fengsui rules explain DIR` shows all of a directory"
    )
    raise InputFault(f"没有这条规则 · no rule has the id {name!r} ({hint})")


def in_words(rule: Rule, ruleset: RuleSet, language: Language) -> str:
    """A rule with its heading."""
    return f"{heading(rule, language)}\n{as_text(describe(rule, ruleset.catalog, language))}"
