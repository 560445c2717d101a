"""The JSON Schema of rule files, for editors: completion, and the shape of a file. The loader's checks go further."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from events.feeds import FeedCatalog
from events.transition import SEVERITIES
from rules.calendar import DAYS
from rules.expressions import AGGREGATES, FUNCTIONS, MAX_BYTES
from rules.reader.baselines import MAX_BASELINES, MAX_DEPTH
from rules.reader.key_fields import MAX_BY, MAX_EXPECT
from rules.reader.keys import COMMON, KIND_KEYS, KNOWN, LATER, MAKING
from rules.reader.rule import DEFAULT_MAX_OPEN, MAX_MAX_OPEN
from rules.reader.sequences import MAX_STEPS
from rules.reader.windows import MAX_MEASURES

_DURATION = {
    "type": "string",
    "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d|w)\s*$",
    "examples": ["30s", "5m", "1h", "1d"],
}
_SEVERITY = {"type": "string", "enum": list(SEVERITIES)}
_SCALAR = {"type": ["string", "number", "boolean"]}
#: A constant or a parameter may stand for any value.
_NAMED = {"type": "string", "pattern": r"\$\{[^{}]+\}"}
#: Editors match by JavaScript, whose \w knows no Chinese.
_NAME = r"^[^\d\s!-/:-@\[-^`{-~][^\s!-/:-@\[-^`{-~]*$"
_HOURS = {
    "type": "string",
    "pattern": r"^\s*(all|\d{1,2}:\d\d\s*-\s*\d{1,2}:\d\d)\s*$",
    "examples": ["09:00-18:00", "all"],
}


def schema(catalog: FeedCatalog | None = None) -> dict[str, Any]:
    """A JSON Schema (2020-12) of a rule file; feeds and their fields are those of the catalogue."""
    catalog = catalog or FeedCatalog.builtin()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Fengsui rules",
        "description": "A file of warning rules; docs/rules.md explains every key.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "rules": {"type": ["array", "null"], "items": _ref("rule")},
            "constants": {
                "type": ["object", "null"],
                "description": "names that ${name} stands for in the rules of this file",
                "propertyNames": {"pattern": _NAME},
                "additionalProperties": _SCALAR,
            },
            "templates": {
                "type": ["object", "null"],
                "description": "sets of keys that rules take with template:",
                "additionalProperties": {"$ref": "#/$defs/keys", "unevaluatedProperties": False},
            },
        },
        "$defs": {
            "keys": {"type": "object", "properties": _properties(catalog)},
            "rule": {
                "$ref": "#/$defs/keys",
                "oneOf": [*(_kind(kind) for kind in KIND_KEYS), _from_template()],
                "properties": _making(),
                "unevaluatedProperties": False,
            },
            "expression": {
                "description": _expression_help(),
                "type": ["string", "boolean"],
                "maxLength": MAX_BYTES,
            },
            "duration": _or_named(_DURATION),
            "severity": _or_named(_SEVERITY),
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
            "feed": _or_named({"type": "string", "enum": sorted(catalog.readable)}),
            "field": {"type": "string", "examples": _fields(catalog)},
            "event": _object({"feed": _ref("feed"), "where": _ref("expression")}),
            "step": {
                "oneOf": [
                    _ref("event"),
                    _object({"unless": _ref("event")}, required=["unless"]),
                    _object({"absent": _ref("event")}, required=["absent"]),
                ]
            },
            "measures": {
                "type": "object",
                "minProperties": 1,
                "maxProperties": MAX_MEASURES,
                "additionalProperties": {**_ref("expression"), "description": f"aggregates: {', '.join(AGGREGATES)}"},
            },
            "baseline": _object(
                {
                    "last": {**_whole(1, MAX_DEPTH), "description": "how many earlier windows"},
                    "skip": {**_whole(0, MAX_DEPTH), "description": "how many before this one are left out"},
                    "every": {
                        **_ref("duration"),
                        "description": "their distance: 1d for the same hour of earlier days",
                    },
                    "measure": _ref("measures"),
                },
                required=["last", "measure"],
            ),
            "hours": {"oneOf": [_or_named(_HOURS), {"type": "array", "minItems": 1, "items": _or_named(_HOURS)}]},
            "calendar": _object({days: _ref("hours") for days in DAYS}, least=1),
            "parameters": {
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": _NAME},
                "additionalProperties": _SCALAR,
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
        "propertyNames": {"enum": [*COMMON, *keys, "with", "for_each"]},
    }
    if kind in {"absent", "sequence"}:
        shape["properties"] = {"severity": _ref("severity")}
    return shape


def _from_template() -> dict[str, Any]:
    """A rule whose keys may stand in its template."""
    known = [key for key in KNOWN if key not in LATER]
    return {
        "title": "a rule from a template",
        "type": "object",
        "required": ["template"],
        "propertyNames": {"enum": [*known, *MAKING]},
    }


def _making() -> dict[str, Any]:
    return {
        "template": {"type": "string", "description": "the name of a template, whose keys the rule takes"},
        "with": {**_ref("parameters"), "description": "what ${name} stands for in the rule"},
        "for_each": {
            "oneOf": [
                {"type": "string", "pattern": r"\.csv$", "examples": ["outfalls.csv"]},
                {"type": "array", "minItems": 1, "items": _ref("parameters")},
            ],
            "description": "a rule for each row: parameters, or a table whose first row names them",
        },
    }


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
        "by": {**_fields_of_a_key(), "description": "the fields that make up the key; default [subject]"},
        "only": {
            "oneOf": [_ref("calendar"), {"type": "array", "minItems": 1, "items": _ref("calendar")}],
            "description": "at which hours of which days events exist for the rule",
        },
        "severity": {
            "oneOf": [_ref("severity"), ladder],
            "description": "a word, or a ladder whose first that holds counts",
        },
        "source": {"type": "string", "description": "the standard or law that the thresholds come from"},
        "enabled": {**_or_named({"enum": [True, False, "shadow"]}), "default": True},
        "auto_resolve": {
            "oneOf": [_ref("severity"), {"type": "array", "items": _ref("severity")}],
            "default": ["blue"],
            "description": "severities that need no person once they are over",
        },
        "forget": {
            **_ref("duration"),
            "description": "keys not heard of for this long are forgotten; default 7d or the window",
        },
        "max_open": {
            **_whole(1, MAX_MAX_OPEN),
            "default": DEFAULT_MAX_OPEN,
            "description": "active alerts beyond which the rest is folded into one storm alert",
        },
        "max_rate": {**_whole(1, MAX_MAX_OPEN), "description": "openings a minute, likewise"},
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
                _object({"session": _ref("duration"), "max": _ref("duration")}, required=["session"]),
            ]
        },
        "measure": _ref("measures"),
        "baseline": {
            "oneOf": [
                _ref("baseline"),
                {"type": "array", "minItems": 1, "maxItems": MAX_BASELINES, "items": _ref("baseline")},
            ],
            "description": "earlier windows of the key, and measures that hold this one against them",
        },
        "new": {**_fields_of_a_key(), "description": "the fields whose values are new or known"},
        "memory": {**_ref("duration"), "description": "how long a value stays known", "default": "30d"},
        "learn": {**_ref("duration"), "description": "how long values are learnt before any opens", "default": "0s"},
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


def _fields_of_a_key() -> dict[str, Any]:
    return {"oneOf": [_ref("field"), {"type": "array", "items": _ref("field"), "minItems": 1, "maxItems": MAX_BY}]}


def _or_named(shape: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [shape, _NAMED]}


def _whole(least: int, most: int) -> dict[str, Any]:
    return _or_named({"type": "integer", "minimum": least, "maximum": most})


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _object(properties: dict[str, Any], *, required: Iterable[str] = (), least: int = 0) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    if required:
        shape["required"] = list(required)
    return {**shape, "minProperties": least} if least else shape


def _fields(catalog: FeedCatalog) -> list[str]:
    return sorted({name for feed in catalog.readable for name in catalog.field_names(feed)})


def _expression_help() -> str:
    return (
        "a SQL expression over the feed's fields (in when, clear and severity of a window: over its measures and by): "
        f"AND OR NOT, = <> < <= > >=, + - * / %, IN, BETWEEN, LIKE, IS NULL, CASE, ||, {', '.join(FUNCTIONS)}"
    )
