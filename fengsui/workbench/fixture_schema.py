"""The JSON Schema of ``*.test.yaml``, for editors: completion, and the shape of a file. The reader's checks go further."""

from __future__ import annotations

from typing import Any, get_args

from events.event import ENVELOPE
from events.feeds import FeedCatalog
from events.record import Verb
from events.transition import SEVERITIES
from fengsui.workbench.fixture_reader import SHARED
from fengsui.workbench.outcome_reader import FIELDS, TYPES
from fengsui.workbench.series_reader import SHARED_WORDS, WORDS

Json = dict[str, Any]

_SCALAR: Json = {"type": ["string", "number", "boolean", "null"]}
_MOMENT: Json = {
    "description": "从用例开始算 · from the start of the test: 5m, 1h30m; by the clock: 22:30; in full: 2026-03-03 08:00",
    "type": ["string", "integer"],
    "examples": ["0m", "1h", "1h30m", "22:30"],
}
_SPAN: Json = {"type": ["string", "integer"], "examples": ["1m", "10m", "1h", "1d"]}


def fixture_schema(catalog: FeedCatalog | None = None) -> Json:
    """A JSON Schema (2020-12) of a file of tests; feeds and their fields are those of the catalogue."""
    catalog = catalog or FeedCatalog.builtin()
    shared = _shared()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Fengsui rule tests",
        "description": "Tests beside rules; docs/rules-testing.md explains every key.",
        **_object(
            {"defaults": _object(shared), "tests": {"type": ["array", "null"], "items": _ref("test")}}, ["tests"]
        ),
        "$defs": {
            "test": _object(
                {
                    "title": _texts(),
                    **shared,
                    "events": {"type": ["array", "null"], "items": _ref("entry")},
                    "acts": {"type": ["array", "null"], "items": _ref("act")},
                    "expect": {"oneOf": [{"const": "nothing"}, {"type": "array", "items": _ref("expectation")}]},
                },
                ["title", "events", "expect"],
            ),
            "event": _object(_fields(catalog) | {name: _words()[name] for name in SHARED_WORDS}),
            "entry": _object(_fields(catalog) | _words()),
            "feed": {"type": "string", "enum": sorted(catalog.feeds)},
            "moment": _MOMENT,
            "when": {"oneOf": [_MOMENT, {"type": "array", "items": _MOMENT, "minItems": 1}]},
            "value": {"oneOf": [_SCALAR, {"type": "array", "items": _SCALAR}]},
            "act": _object(
                {
                    **dict.fromkeys(get_args(Verb), _ref("moment")),
                    **{name: {"type": "string"} for name in ("rule", "by", "to", "text")},
                    "key": _key(),
                },
                one_of=get_args(Verb),
            ),
            "expectation": _object(_expectation(), one_of=(*TYPES, "never")),
        },
    }


def _shared() -> Json:
    made: Json = {
        "rule": {"type": "string"},
        "rules": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "start": {"type": "string", "examples": ["2026-03-02 08:00", "2026-03-02"]},
        "until": _ref("moment"),
        "receipts": {"type": "boolean"},
        "event": _ref("event"),
    }
    assert made.keys() == set(SHARED)
    return made


def _words() -> Json:
    made: Json = {
        "at": {"description": "5m, [0m, 5m], 0m..59m", **_ref("when")},
        "every": _SPAN,
        "times": {"type": "integer", "minimum": 1},
        "delay": _SPAN,
        "feed": _ref("feed"),
        "fields": {"type": "object", "additionalProperties": _ref("value")},
    }
    assert made.keys() == set(WORDS)
    return made


def _fields(catalog: FeedCatalog) -> Json:
    """Of all feeds: which one an entry is of may stand elsewhere."""
    made: Json = {name: _ref("value") for name in ENVELOPE if name not in ("time", "feed")}
    for feed in catalog.feeds.values():
        for field in feed.fields.values():
            made.setdefault(field.name, {"description": f"{field.title['zh']} · {field.title['en']}", **_ref("value")})
    return made


def _expectation() -> Json:
    made: Json = {
        **dict.fromkeys(TYPES, _ref("when")),
        "never": {"type": "string", "enum": [*TYPES, "anything"]},
        "rule": {"type": "string"},
        "key": _key(),
        **dict.fromkeys(FIELDS, _SCALAR),
        "severity": {"type": "string", "enum": list(SEVERITIES)},
        "measures": {"type": "object", "additionalProperties": _ref("value")},
        "summary": _texts(),
        "title": _texts(),
        "evidence": {"type": "array", "items": _SCALAR},
    }
    return made


def _key() -> Json:
    return {"oneOf": [_SCALAR, {"type": "object", "additionalProperties": _SCALAR}]}


def _texts() -> Json:
    return {"oneOf": [{"type": "string"}, _object({"zh": {"type": "string"}, "en": {"type": "string"}})]}


def _object(properties: Json, required: list[str] | None = None, *, one_of: tuple[str, ...] = ()) -> Json:
    made: Json = {"type": "object", "additionalProperties": False, "properties": properties}
    if required:
        made["required"] = required
    if one_of:
        made["oneOf"] = [{"required": [name]} for name in one_of]
    return made


def _ref(name: str) -> Json:
    return {"$ref": f"#/$defs/{name}"}
