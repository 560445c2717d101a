"""The whole schema of a rule file, over the feeds of a catalogue."""

from __future__ import annotations

from typing import Any

from events.feeds import FeedCatalog
from rules.schema.fields import field_shapes
from rules.schema.keys import key_shapes, step_shapes
from rules.schema.kinds import rule_shapes
from rules.schema.shapes import NAME, SCALAR, said, shapes


def schema(catalog: FeedCatalog | None = None) -> dict[str, Any]:
    """A JSON Schema of a rule file (also of ``constants.yaml``); feeds and their fields are those of the catalogue.

    Draft 7, and within it what VS Code and IntelliJ follow: ``defaultSnippets`` and ``enumDescriptions`` are theirs.
    """
    catalog = catalog or FeedCatalog.builtin()
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "烽燧规则 · Fengsui rules",
        "description": said(
            "预警规则文件；docs/rules.md 逐键说明", "A file of warning rules; docs/rules.md explains every key"
        ),
        "type": "object",
        "additionalProperties": False,
        "defaultSnippets": [{"label": "rules", "body": {"rules": [{"id": "$1", "title": {"zh": "$2", "en": "$3"}}]}}],
        "properties": {
            "rules": {
                "type": ["array", "null"],
                "items": {"$ref": "#/$defs/rule"},
                "description": said("规则的列表", "a list of rules"),
            },
            "constants": {
                "type": ["object", "null"],
                "propertyNames": {"pattern": NAME},
                "additionalProperties": SCALAR,
                "description": said("常量，用 ${名字} 引用", "named values, written ${name} where they are used"),
            },
            "templates": {
                "type": ["object", "null"],
                "additionalProperties": {"$ref": "#/$defs/template"},
                "description": said("模板：一组键，供 template 引用", "named sets of keys that rules take by template"),
            },
        },
        "$defs": {
            **shapes(),
            **step_shapes(),
            **field_shapes(catalog),
            **rule_shapes(key_shapes(catalog)),
        },
    }
