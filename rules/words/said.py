"""Words for a part of an expression, with what the part around them must know to use them well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")

#: ``count``: how many; ``seconds``: a difference of times; ``hour``, ``weekday``, ``month``, ``day``: of a local time.
Sort = Literal["number", "count", "seconds", "hour", "weekday", "month", "day", "string", "time", "boolean", "none"]


@dataclass(frozen=True)
class Said:
    """``number``: the value where the part is a constant. ``loose``: must stand in brackets beside a sign of arithmetic."""

    text: str
    sort: Sort = "none"
    unit: str = ""
    number: float | int | None = None
    loose: bool = False
    #: the text of a quoted literal
    literal: str | None = None
    #: what the values of a field of ours mean
    glossary: Mapping[str, str] = field(default_factory=dict)
    #: whose difference this is, or whose hour: (later, earlier) or (time,)
    of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Name:
    """What a name of an expression is called. ``glossary``: what its values mean, where they are words of ours."""

    text: str
    sort: Sort = "none"
    unit: str = ""
    glossary: Mapping[str, str] = field(default_factory=dict)
