"""Words for a part of an expression, with what the part around them must know to use them well."""

from __future__ import annotations

from dataclasses import dataclass
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
    #: whose difference this is, or whose hour: (later, earlier) or (time,)
    of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Name:
    """What a name of an expression is called. ``note``: the sort of what it stands for."""

    text: str
    sort: Sort = "none"
    unit: str = ""
