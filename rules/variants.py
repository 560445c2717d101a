"""A rule with another text where it judges: to try what it would do."""

from __future__ import annotations

from dataclasses import replace

from rules.model import Rule, RuleSet
from rules.reader.reading import Setting
from rules.reader.scopes import judged_scope

#: ``when``, or the severity of a rung of the ladder
WHEN = "when"


def text_of(rule: Rule, part: str) -> str | None:
    """The expression under ``when``, or that of a rung; None where there is none."""
    if part == WHEN:
        return rule.when.text if rule.when else None
    return next((expr.text for severity, expr in rule.severity if severity == part and expr), None)


def with_text(rule: Rule, part: str, text: str, ruleset: RuleSet, *, called: str) -> Rule:
    """The rule under another id, with another expression there. ExpressionErrors."""
    setting = Setting.of(ruleset)
    expr, _ = setting.condition(text, judged_scope(setting, rule))
    if part == WHEN:
        return replace(rule, id=called, when=expr)
    ladder = tuple((severity, expr if severity == part else rung) for severity, rung in rule.severity)
    return replace(rule, id=called, severity=ladder)
