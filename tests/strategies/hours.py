"""``only``: hours of days, as rule files say it and as the reference reads it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.reference.calendar import Calendar
from tests.strategies.parts import Part
from tests.strategies.world import WATCH_MS

#: The streams begin at 08:00 on a Thursday that is a holiday.
_DAYS = ("daily", "daily", "restdays", "workdays", "thu", "wed", "fri", "sat")
_MINUTES = ("00:00-08:01", "08:00-08:02", "08:01-20:00", "22:00-08:01", "all")
_HOURS = ("09:00-18:00", "22:00-06:00", "00:00-24:00", "08:00-12:00", "13:30-17:00", "18:00-09:00", "all")


@st.composite
def only(draw: st.DrawFn, unit: int) -> Part:
    hours = _HOURS if unit >= WATCH_MS else _MINUTES
    parts = draw(st.lists(st.tuples(st.sampled_from(_DAYS), st.sampled_from(hours)), min_size=1, max_size=3))
    spec: dict[str, list[str]] = {}
    for days, text in parts:
        if text not in spec.setdefault(days, []):
            spec[days].append(text)
    plain: dict[str, Any] = {days: texts[0] if len(texts) == 1 else texts for days, texts in spec.items()}
    listed = draw(st.booleans()) and len(plain) > 1
    ranges = tuple((days, *_minutes(text)) for days, text in parts)
    return {"only": [{days: texts} for days, texts in plain.items()] if listed else plain}, {"only": Calendar(ranges)}


def _minutes(text: str) -> tuple[int, int]:
    if text == "all":
        return 0, 1440
    first, last = (int(part[:2]) * 60 + int(part[3:]) for part in text.split("-"))
    return first, last
