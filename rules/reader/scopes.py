"""The names that the expressions of a rule may use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rules.expressions import Scope
from rules.model import Measure, Rule, Type
from rules.reader.reading import Reading, Setting
from rules.yaml_source import Mapping as MapNode


def event_scope(setting: Setting, feed: str) -> Scope:
    """The fields of an event."""
    catalog = setting.catalog
    names = catalog.field_names(feed)
    types: dict[str, Type] = {name: catalog.field_type(feed, name) or "null" for name in names}
    columns = {name: catalog.column(feed, name) for name in names}
    return Scope(types, f"the feed {feed}", columns=columns, tables=setting.tables)


def without_measures(events: Scope, names: Iterable[str]) -> Scope:
    """The fields of an event, for a ``where`` that stands before the measures of these names."""
    reason = "where reads the event; what is asked of a measure goes into when"
    return replace(events, barred={name: reason for name in names if name not in events.types})


def window_scope(reading: Reading, feed: str, measures: Iterable[Measure], by: tuple[str, ...]) -> Scope:
    """The measures of a window and the fields of its key."""
    catalog = reading.catalog
    types: dict[str, Type] = {name: catalog.field_type(feed, name) or "null" for name in by}
    # one that did not compile is reported once, not wherever it is used
    types |= dict.fromkeys(measure_names(reading), "null")
    types |= {measure.name: measure.expr.type for measure in measures}
    reason = "the condition reads measures and the fields of by: give it a name under measure, such as m: max({})"
    barred = {name: reason.format(name) for name in catalog.field_names(feed) if name not in types}
    return Scope(types, "the window", "has no such measure", barred=barred, tables=reading.setting.tables)


def judged_scope(setting: Setting, rule: Rule) -> Scope:
    """What the conditions of a rule that was read may use: the measures and key of its window, or the fields of its events."""
    if rule.window is None:
        return event_scope(setting, rule.feed)
    types: dict[str, Type] = {name: setting.catalog.field_type(rule.feed, name) or "null" for name in rule.by}
    measures = [*rule.measures, *(measure for one in rule.baseline for measure in one.measures)]
    types |= {measure.name: measure.expr.type for measure in measures}
    return Scope(types, "the window", tables=setting.tables)


def measure_names(reading: Reading) -> list[str]:
    """The names under ``measure``, also of the baselines, whether or not they compile."""
    found = _names(reading.keys.get("measure", (None, None))[1])
    _, baseline = reading.keys.get("baseline", (None, None))
    for item in getattr(baseline, "items", (baseline,)):
        if isinstance(item, MapNode):
            found += _names(item.get("measure"))
    return found


def _names(node: object) -> list[str]:
    return [name.text for name, _ in node] if isinstance(node, MapNode) else []
