"""Shapes that several keys share. Wherever a value stands, ``${name}`` may stand for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from events.transition import SEVERITIES
from rules.calendar import DAYS
from rules.expressions import FUNCTIONS, MAX_BYTES

Json = dict[str, Any]

_NAMED: Final = r"\$\{[^{}]+\}"
CONSTANT: Final[Json] = {"type": "string", "pattern": _NAMED}
#: Editors match by JavaScript, whose \w knows no Chinese.
NAME: Final = r"^[^\d\s!-/:-@\[-^`{-~][^\s!-/:-@\[-^`{-~]*$"
SCALAR: Final[Json] = {"type": ["string", "number", "boolean"]}
_DURATION: Final = rf"^\s*[0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d|w)\s*$|{_NAMED}"
_SEVERITIES: Final = {"red": "红 · red", "orange": "橙 · orange", "yellow": "黄 · yellow", "blue": "蓝 · blue"}


def said(zh: str, en: str) -> str:
    """A description: editors show it whole, so each language has a paragraph of its own."""
    return f"{zh}\n\n{en}"


def ref(name: str) -> Json:
    return {"$ref": f"#/$defs/{name}"}


def mapping(properties: Json, *, required: Iterable[str] = (), least: int = 0, **more: Any) -> Json:
    """An object with these keys and no others."""
    shape: Json = {"type": "object", "additionalProperties": False, "properties": properties}
    if required:
        shape["required"] = list(required)
    return {**shape, **({"minProperties": least} if least else {}), **more}


def words(values: Iterable[object], told: Iterable[str] = ()) -> Json:
    """One of some words, or a constant. ``told``: what each of them means."""
    listed = list(values)
    shape: Json = {"enum": listed}
    if all(isinstance(value, str) for value in listed):
        shape["type"] = "string"
    if told:
        shape["enumDescriptions"] = list(told)
    return {"anyOf": [shape, CONSTANT]}


def several(one: Json, *, most: int) -> Json:
    """A value, or a list of some."""
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": most}]}


def whole(least: int, most: int) -> Json:
    return {"anyOf": [{"type": "integer", "minimum": least, "maximum": most}, CONSTANT]}


def shapes() -> Json:
    """The named shapes that do not depend on the feeds."""
    return {
        "expression": {
            "type": ["string", "boolean"],
            "maxLength": MAX_BYTES,
            "description": _expression_help(),
            "defaultSnippets": [{"label": f"{name}(…)", "body": f"{name}($1)"} for name in FUNCTIONS],
        },
        "duration": {
            "type": "string",
            "pattern": _DURATION,
            "patternErrorMessage": "时长写成数字加单位 · a number with a unit: 500ms, 30s, 5m, 1h, 1d, 2w",
            "examples": ["30s", "5m", "1h", "1d"],
        },
        "severity": words(SEVERITIES, (_SEVERITIES[name] for name in SEVERITIES)),
        "text": {
            "anyOf": [
                {"type": "string", "minLength": 1},
                mapping(
                    {
                        "zh": {"type": "string", "description": "中文 · Chinese"},
                        "en": {"type": "string", "description": "英文 · English"},
                    },
                    least=1,
                    defaultSnippets=[{"label": "{zh, en}", "body": {"zh": "$1", "en": "$2"}}],
                ),
            ]
        },
        "hours": several(
            {
                "type": "string",
                "pattern": rf"^\s*(all|\d{{1,2}}:\d\d\s*-\s*\d{{1,2}}:\d\d)\s*$|{_NAMED}",
                "examples": ["09:00-18:00", "22:00-06:00", "all"],
            },
            most=20,
        ),
        "parameters": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": NAME},
            "additionalProperties": SCALAR,
        },
        "calendar": mapping({day: {**ref("hours"), "description": _DAYS[day]} for day in DAYS}, least=1),
    }


_DAYS: Final = {
    "workdays": said("工作日（调休上班日算，节假日不算）", "workdays of the Chinese calendar, make-up days among them"),
    "restdays": said("周末和节假日", "weekends and holidays"),
    "daily": said("每天", "every day"),
    **{day: day for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")},
}


def _expression_help() -> str:
    operators = "AND OR NOT, = <> < <= > >=, + - * / %, IN, BETWEEN, LIKE, IS NULL, CASE, ||"
    return said(
        f"SQL 表达式，可用字段、{operators} 和函数 {', '.join(FUNCTIONS)}。窗口规则的 when、clear、severity 用 measure 里的名字和 by 的字段。",
        f"A SQL expression over the feed's fields, with {operators} and {', '.join(FUNCTIONS)}. In when, clear and severity of a "
        "window: over its measures and the fields of by.",
    )
