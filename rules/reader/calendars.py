"""The hours that a rule is limited to: ``only: {workdays: 09:00-18:00}``."""

from __future__ import annotations

import re
from typing import Final

from rules.calendar import DAY_MINUTES, DAYS, Calendar, Hours
from rules.errors import did_you_mean
from rules.reader.reading import Reading
from rules.yaml_source import Mapping as MapNode
from rules.yaml_source import Node, Scalar
from rules.yaml_source import Sequence as SeqNode

MAX_HOURS: Final = 100
_RANGE = re.compile(r"\s*(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)\s*", re.ASCII)
_SUCH_AS: Final = "such as only: {workdays: 09:00-18:00}"
_OTHER_NAMES: Final = {"weekdays": "workdays", "weekends": "restdays", "holidays": "restdays", "everyday": "daily"}


def read_only(reading: Reading) -> Calendar | None:
    """The calendar of a rule; None where it has none, or after a report."""
    if "only" not in reading.keys:
        return None
    key, value = reading.keys["only"]
    items = value.items if isinstance(value, SeqNode) else (value,)
    found: set[Hours] = set()
    faults = len(reading.report.errors)
    for item in items:
        if not isinstance(item, MapNode) or not item.entries:
            reading.report.at(key if item is value else item, "only names days and their hours", _SUCH_AS)
            continue
        for name, node in item:
            if name.text in DAYS:
                found |= set(_hours(reading, name.text, node))
            else:
                hint = _OTHER_NAMES.get(name.text)
                hint = f"did you mean {hint!r}?" if hint else did_you_mean(name.text, DAYS)
                reading.report.at(name, f"unknown days {name.text[:40]!r}", hint or f"there are {', '.join(DAYS)}")
    if not items or len(found) > MAX_HOURS:
        reading.report.at(key, f"only has 1 to {MAX_HOURS} hours", _SUCH_AS)
    if len(reading.report.errors) > faults:
        return None
    hours = tuple(sorted(found))
    reading.meaning["only"] = [reading.setting.zone_ms, [[one.days, one.begin, one.end] for one in hours]]
    return Calendar(hours, reading.setting.zone_ms)


def _hours(reading: Reading, days: str, node: Node) -> list[Hours]:
    if isinstance(node, SeqNode) and node.items:
        return [hours for item in node.items for hours in _hours_of(reading, days, item)]
    return _hours_of(reading, days, node)


def _hours_of(reading: Reading, days: str, node: Node) -> list[Hours]:
    """One range, or none after a report."""
    text = node.text.strip() if isinstance(node, Scalar) else ""
    if text == "all":
        return [Hours(days, 0, DAY_MINUTES)]
    match = _RANGE.fullmatch(text)
    if match is None:
        reading.report.at(node, f"{days}: {text[:40]!r} is no range of hours", "write all, 09:00-18:00 or 22:00-06:00")
        return []
    begin, end = (60 * int(match[i]) + int(match[i + 1]) for i in (1, 3))
    if max(int(match[2]), int(match[4])) > 59 or begin >= DAY_MINUTES or end > DAY_MINUTES:
        reading.report.at(node, f"{days}: {text} is no range of hours", "a day has the hours 00:00 to 24:00")
        return []
    if begin == end:
        reading.report.at(node, f"{days}: {text} begins where it ends", "write all for the whole day")
        return []
    return [Hours(days, begin, end)]
