"""Titles, summaries and other texts of a rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from rules.errors import did_you_mean
from rules.model import Kind, Measure, Type
from rules.reader.keys import LANGUAGES
from rules.reader.reading import Reading
from rules.summary import TIME_SPECS, TemplateError, escape, parse, placeholders, with_zone
from rules.yaml_source import Mapping as MapNode
from rules.yaml_source import Scalar

MAX_TEXT_CHARS: Final = 500


def read_text(reading: Reading, name: str) -> str:
    node = reading.scalar(name)
    if node is not None and len(node.text) > MAX_TEXT_CHARS:
        reading.report.at(node, f"{name} is longer than {MAX_TEXT_CHARS} characters")
    return node.text.strip() if node else ""


def read_title(reading: Reading) -> dict[str, str]:
    """The title in each language; one that is given alone stands for both."""
    nodes = _nodes(reading, "title", required=True)
    for node in {id(node): node for node in nodes.values()}.values():
        if len(node.text) > MAX_TEXT_CHARS:
            reading.report.at(node, f"title is longer than {MAX_TEXT_CHARS} characters")
    return {language: node.text.strip()[:MAX_TEXT_CHARS] for language, node in nodes.items()}


def _nodes(reading: Reading, name: str, *, required: bool) -> dict[str, Scalar]:
    report = reading.report
    if name not in reading.keys:
        if required:
            reading.missing(name, f"such as {name}: {{zh: ..., en: ...}}")
        return {}
    key, value = reading.keys[name]
    if not isinstance(value, MapNode):
        single = reading.scalar(name, hint=f"write {name}: {{zh: ..., en: ...}}")
        return dict.fromkeys(LANGUAGES, single) if single else {}
    found: dict[str, Scalar] = {}
    for language, node in value:
        if language.text not in LANGUAGES:
            hint = did_you_mean(language.text, LANGUAGES) or "a text with a comma or a colon must stand in quotes"
            report.at(language, f"{name} is given in zh and en, not in {language.text[:40]!r}", hint)
        elif not isinstance(node, Scalar) or node.is_null or not node.text.strip():
            report.at(language, f"{name} in {language.text} must be a text", "put it in quotes")
        else:
            found[language.text] = node
    if not found:
        report.at(key, f"{name} has no text")
        return {}
    only = next(iter(found.values()))
    return {language: found.get(language, only) for language in LANGUAGES}


# --- summaries --------------------------------------------------------------------------------------------------------

Types = Mapping[str, Type | None]


def shown_types(reading: Reading, kind: Kind, feed: str, measures: Iterable[Measure], names: Iterable[str]) -> Types:
    """What a summary may name; None for a type that is not known because of another fault. ``names``: of the measures."""
    catalog = reading.catalog
    types: dict[str, Type | None] = {}
    if kind in ("each", "new") and feed:
        types |= {name: catalog.field_type(feed, name) for name in catalog.field_names(feed)}
    types |= dict.fromkeys(names)
    types |= {measure.name: measure.expr.type for measure in measures}
    return types | reading.by_types


def read_summary(reading: Reading, title: Mapping[str, str], types: Types) -> dict[str, str]:
    if "summary" not in reading.keys:
        return {language: escape(text) for language, text in title.items()}
    nodes = _nodes(reading, "summary", required=False)
    for node in {id(node): node for node in nodes.values()}.values():
        _check_template(reading, node, types)
    times = [name for name, type_ in types.items() if type_ == "time"]
    zone_ms = reading.setting.zone_ms
    return {
        language: with_zone(node.text.strip(), times, zone_ms) if _is_template(node.text) else ""
        for language, node in nodes.items()
    }


def _check_template(reading: Reading, node: Scalar, types: Types) -> None:
    report = reading.report
    try:
        found = placeholders(node.text)
    except TemplateError as error:
        report.inside(node, error.offset, str(error))
        return
    for placeholder in found:
        name = placeholder.name
        if name not in types:
            hint = did_you_mean(name, types) or f"there are {', '.join(types)}"
            report.inside(node, placeholder.offset, f"the summary names {name}, which this rule does not have", hint)
            continue
        type_ = types[name]
        wanted = "times" if placeholder.spec[:4] in TIME_SPECS else "numbers"
        fitting = ("time",) if wanted == "times" else ("number", "integer", "null")
        if placeholder.spec and type_ is not None and type_ not in fitting:
            message = f"{name} is a {type_}: the format {placeholder.spec} is for {wanted}"
            report.inside(node, placeholder.offset, message)


def shown_fields(reading: Reading, feed: str, key: tuple[str, ...], summary: Mapping[str, str]) -> tuple[str, ...]:
    """The event's fields that its alert shows: what the conditions and the summary read, but what its key names."""
    if not feed:
        return ()
    catalog = reading.catalog
    named = {part.name for template in summary.values() for part in placeholders(template)}
    return tuple(
        name
        for name in catalog.field_names(feed)
        if (catalog.column(feed, name) in reading.read_columns or name in named) and name not in key
    )


def _is_template(text: str) -> bool:
    try:
        parse(text)
    except TemplateError:
        return False
    return True
