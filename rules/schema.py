"""The JSON Schema of rule files, for editors: completion, and the shape of a file. The loader's checks go further."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from events.feeds import FeedCatalog
from events.transition import SEVERITIES
from rules.expressions import AGGREGATES, FUNCTIONS, MAX_BYTES
from rules.reader.key_fields import MAX_BY, MAX_EXPECT
from rules.reader.keys import COMMON, KIND_KEYS
from rules.reader.sequences import MAX_STEPS
from rules.reader.windows import MAX_MEASURES

_DURATION = {
    "type": "string",
    "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d|w)\s*$",
    "examples": ["30s", "5m", "1h", "1d"],
}
_SEVERITY = {"type": "string", "enum": list(SEVERITIES)}
_SCALAR = {"type": ["string", "number", "boolean"]}


def schema(catalog: FeedCatalog | None = None) -> dict[str, Any]:
    """A JSON Schema (2020-12) of a rule file; feeds and their fields are those of the catalogue."""
    catalog = catalog or FeedCatalog.builtin()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Fengsui rules",
        "description": "A file of warning rules; docs/rules.md explains every key.",
        "type": "object",
        "additionalProperties": False,
        "properties": {"rules": {"type": ["array", "null"], "items": {"$ref": "#/$defs/rule"}}},
        "$defs": {
            "rule": {
                "oneOf": [_kind(kind) for kind in KIND_KEYS],
                "properties": _properties(catalog),
                "unevaluatedProperties": False,
            },
            "expression": {
                "description": _expression_help(),
                "type": ["string", "boolean"],
                "maxLength": MAX_BYTES,
            },
            "duration": _DURATION,
            "severity": _SEVERITY,
            "text": {
                "oneOf": [
                    {"type": "string", "minLength": 1},
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "minProperties": 1,
                        "properties": {"zh": {"type": "string"}, "en": {"type": "string"}},
                    },
                ]
            },
            "feed": {"type": "string", "enum": sorted(catalog.feeds)},
            "field": {"type": "string", "examples": _fields(catalog)},
            "event": _object({"feed": _ref("feed"), "where": _ref("expression")}),
            "step": {
                "oneOf": [
                    _ref("event"),
                    _object({"unless": _ref("event")}, required=["unless"]),
                    _object({"absent": _ref("event")}, required=["absent"]),
                ]
            },
        },
    }


def _kind(kind: str) -> dict[str, Any]:
    """What a rule of a kind must and may have."""
    keys = KIND_KEYS[kind]  # type: ignore[index]
    needed = {
        "each": ["feed", "when"],
        "window": ["feed", "window", "measure", "when"],
        "absent": ["feed", "absent"],
        "sequence": ["sequence", "within"],
        "new": ["feed", "new"],
        "baseline": ["feed", "window", "measure", "baseline", "when"],
    }[kind]
    shape: dict[str, Any] = {
        "title": f"a rule of kind {kind}",
        "type": "object",
        "required": ["id", "title", "severity", *needed],
        "propertyNames": {"enum": [*COMMON, *keys]},
    }
    if kind in {"absent", "sequence"}:
        shape["properties"] = {"severity": _ref("severity")}
    return shape


def _properties(catalog: FeedCatalog) -> dict[str, Any]:
    domains = sorted({feed.domain for feed in catalog.feeds.values()})
    ladder = _object({name: _ref("expression") for name in SEVERITIES}, least=1)
    return {
        "id": {
            "type": ["string", "number"],
            "description": "unique over all files",
            "examples": ["env.cod.hourly-mean"],
        },
        "title": _ref("text"),
        "summary": {**_ref("text"), "description": "a text with {name} and {name:.1f}"},
        "domain": {"type": "string", "pattern": "^[a-z][a-z0-9-]*$", "examples": domains},
        "feed": _ref("feed"),
        "by": {
            "description": "the fields that make up the key; default [subject]",
            "oneOf": [_ref("field"), {"type": "array", "items": _ref("field"), "minItems": 1, "maxItems": MAX_BY}],
        },
        "severity": {
            "oneOf": [_ref("severity"), ladder],
            "description": "a word, or a ladder whose first that holds counts",
        },
        "source": {"type": "string", "description": "the standard or law that the thresholds come from"},
        "enabled": {"enum": [True, False, "shadow"], "default": True},
        "auto_resolve": {
            "oneOf": [_ref("severity"), {"type": "array", "items": _ref("severity")}],
            "default": ["blue"],
            "description": "severities that need no person once they are over",
        },
        "forget": {
            **_ref("duration"),
            "description": "keys not heard of for this long are forgotten; default 7d or the window",
        },
        "where": {**_ref("expression"), "description": "which events count at all"},
        "when": {**_ref("expression"), "description": "the condition of the alert"},
        "clear": {**_ref("expression"), "description": "the condition that ends it (hysteresis)"},
        "clear_after": {"oneOf": [_ref("duration"), {"const": "never"}]},
        "hold": {**_ref("duration"), "description": "how long the condition must stay true"},
        "update_every": _ref("duration"),
        "window": {
            "oneOf": [
                _object({"tumbling": _ref("duration")}, required=["tumbling"]),
                _object({"hopping": _ref("duration"), "every": _ref("duration")}, required=["hopping", "every"]),
                _object({"sliding": _ref("duration")}, required=["sliding"]),
            ]
        },
        "measure": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": MAX_MEASURES,
            "additionalProperties": {**_ref("expression"), "description": f"aggregates: {', '.join(AGGREGATES)}"},
        },
        "absent": _ref("duration"),
        "expect": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_EXPECT,
            "items": {"oneOf": [_SCALAR, {"type": "object", "additionalProperties": _SCALAR}]},
        },
        "within": _ref("duration"),
        "sequence": {"type": "array", "minItems": 2, "maxItems": 2 * MAX_STEPS, "items": _ref("step")},
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _object(properties: dict[str, Any], *, required: Iterable[str] = (), least: int = 0) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    if required:
        shape["required"] = list(required)
    return {**shape, "minProperties": least} if least else shape


def _fields(catalog: FeedCatalog) -> list[str]:
    return sorted({name for feed in catalog.feeds for name in catalog.field_names(feed)})


def _expression_help() -> str:
    return (
        "a SQL expression over the feed's fields (in when, clear and severity of a window: over its measures and by): "
        f"AND OR NOT, = <> < <= > >=, + - * / %, IN, BETWEEN, LIKE, IS NULL, CASE, ||, {', '.join(FUNCTIONS)}"
    )
