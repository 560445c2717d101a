"""Summaries: texts with ``{name}``, ``{name:.1f}`` and ``{name:date}``, filled with the values of an alert. No code in them."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from events.times import format_ms, parse_instant

#: What stands for a value that is not there.
MISSING = "—"
MAX_VALUE_CHARS = 200
MAX_TEMPLATE_CHARS = 2000

_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_PLACEHOLDER = re.compile(r"\s*([^\W\d]\w*)\s*(?::(,?\.\d{1,2}[f%]|,?d|,|(?:date|time)(?:[+-]\d{1,4})?))?")
#: Formats of times; the loader puts the zone's minutes from UTC behind them.
TIME_SPECS = {"date": 10, "time": 16}
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True)
class Placeholder:
    """``{name:spec}``; ``spec`` is empty or one of ``.1f``, ``,.0f``, ``.1%``, ``d``, ``,``, ``date``, ``time``."""

    name: str
    spec: str
    offset: int


class TemplateError(ValueError):
    """A text that is no summary. ``offset`` is the character at fault."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset


@lru_cache(maxsize=4096)
def parse(template: str) -> tuple[str | Placeholder, ...]:
    """Texts and placeholders in order. TemplateError on a lone brace or a placeholder of another form.

    >>> parse("{subject}: {mean:.1f} {{}}")
    (Placeholder(name='subject', spec='', offset=0), ': ', Placeholder(name='mean', spec='.1f', offset=11), ' ', '{', '}')
    """
    if len(template) > MAX_TEMPLATE_CHARS:
        raise TemplateError(0, f"the summary is longer than {MAX_TEMPLATE_CHARS} characters")
    parts: list[str | Placeholder] = []
    end = 0
    for match in _PART.finditer(template):
        if match.start() > end:
            parts.append(template[end : match.start()])
        end = match.end()
        if match[0] in ("{{", "}}"):
            parts.append(match[0][0])
            continue
        placeholder = _PLACEHOLDER.fullmatch(match[1]) if match[1] is not None else None
        if placeholder is None:
            raise TemplateError(
                match.start(), f"{match[0]!r} is no placeholder: write {{name}} or {{name:.1f}}, and {{{{ for a brace"
            )
        parts.append(Placeholder(placeholder[1], placeholder[2] or "", match.start()))
    if end < len(template):
        parts.append(template[end:])
    return tuple(parts)


def placeholders(template: str) -> tuple[Placeholder, ...]:
    """The placeholders of a template. TemplateError as :func:`parse`."""
    return tuple(part for part in parse(template) if isinstance(part, Placeholder))


def escape(text: str) -> str:
    """A plain text as a template of itself."""
    return text.replace("{", "{{").replace("}", "}}")


def with_zone(template: str, times: Collection[str], zone_ms: int) -> str:
    """The template with its times told in a zone: ``{due}`` becomes ``{due:time+480}``.

    >>> with_zone("{n:d} until {due}, {due:date}", {"due"}, 28_800_000)
    '{n:d} until {due:time+480}, {due:date+480}'
    """
    told = []
    for part in parse(template):
        if isinstance(part, str):
            told.append(escape(part))
            continue
        spec = part.spec
        if part.name in times and spec in ("", *TIME_SPECS):
            spec = f"{spec or 'time'}{zone_ms // 60_000:+d}"
        told.append(f"{{{part.name}:{spec}}}" if spec else f"{{{part.name}}}")
    return "".join(told)


def render(template: str, values: Mapping[str, object]) -> str:
    """The template with its values; what is missing, null or not a number becomes a dash.

    >>> render("{subject} COD {mean:.1f} mg/L, limit {limit}", {"subject": "甲站", "mean": 61.25, "limit": 50.0})
    '甲站 COD 61.2 mg/L, limit 50'
    >>> render("{n} of {x:.0f} by {due:date+480}", {"x": None, "due": "2026-01-31T16:00:00.000Z"})
    '— of — by 2026-02-01'
    """
    return "".join(
        [part if isinstance(part, str) else _shown(values.get(part.name), part.spec) for part in parse(template)]
    )


def _shown(value: object, spec: str) -> str:
    if value is None:
        return MISSING
    if isinstance(value, str) and not spec and len(value) <= MAX_VALUE_CHARS and value.isprintable():
        return value  # as most are
    if spec[:4] in TIME_SPECS:
        return _told(value, spec)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        if not math.isfinite(value):
            return MISSING
        if spec:
            return format(round(value) if spec.endswith("d") else value, spec)
        if isinstance(value, float):
            return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.6g}"
        return str(value)
    text = _UNPRINTABLE.sub(" ", str(value))
    return text if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 1] + "…"


def _told(value: object, spec: str) -> str:
    """A time (RFC 3339, as transitions hold it) as ``2026-01-01 08:00`` or its date, ``+480`` minutes from UTC."""
    try:
        ms = parse_instant(str(value)) + int(spec[4:] or 0) * 60_000
        return format_ms(ms)[: TIME_SPECS[spec[:4]]].replace("T", " ")
    except (ValueError, OverflowError):
        return MISSING
