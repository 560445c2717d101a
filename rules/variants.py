"""A rule with another text where it judges: to try what it would do."""

from __future__ import annotations

from dataclasses import replace

from events.feeds import FeedCatalog
from rules.expressions import Scope, compile_condition
from rules.model import Rule, RuleSet, Type
from rules.tables import Tables, read_from
from rules.zones import zone_ms

#: ``when``, or the severity of a rung of the ladder
WHEN = "when"


def text_of(rule: Rule, part: str) -> str | None:
    """The expression under ``when``, or that of a rung; None where there is none."""
    if part == WHEN:
        return rule.when.text if rule.when else None
    return next((expr.text for severity, expr in rule.severity if severity == part and expr), None)


def with_text(rule: Rule, part: str, text: str, ruleset: RuleSet, *, called: str) -> Rule:
    """The rule under another id, with another expression there. ExpressionErrors."""
    files = ruleset.bundle["files"]
    assert isinstance(files, dict)
    scope = _scope(rule, ruleset.catalog, Tables(read_from(files)))
    expr, _ = compile_condition(text, scope, zone_ms=zone_ms(str(ruleset.bundle["zone"])))
    if part == WHEN:
        return replace(rule, id=called, when=expr)
    ladder = tuple((severity, expr if severity == part else rung) for severity, rung in rule.severity)
    return replace(rule, id=called, severity=ladder)


def _scope(rule: Rule, catalog: FeedCatalog, tables: Tables) -> Scope:
    """What the reader of the rule allowed: its window's measures and key, or the fields of its events."""
    if rule.window is None:
        names = catalog.field_names(rule.feed)
        types: dict[str, Type] = {name: catalog.field_type(rule.feed, name) or "null" for name in names}
        columns = {name: catalog.column(rule.feed, name) for name in names}
        return Scope(types, f"the feed {rule.feed}", columns=columns, tables=tables)
    types = {name: catalog.field_type(rule.feed, name) or "null" for name in rule.by}
    measures = [*rule.measures, *(measure for one in rule.baseline for measure in one.measures)]
    types |= {measure.name: measure.expr.type for measure in measures}
    return Scope(types, "the window", tables=tables)
