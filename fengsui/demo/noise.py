"""What goes wrong on the way: events sent twice, events that come late, and lines that are no events at all."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from fengsui.demo.clockwork import MINUTE_MS, local_text, stamp

#: Of every event, the share that comes a second time a minute later, and the share that is held back for some minutes.
_TWICE = 0.002
_LATE = 0.0008
_LATE_MIN = (2, 9)
_BAD_A_MINUTE = 0.25

_encode = msgspec.json.Encoder().encode


def delayed(made: list[tuple[int, dict[str, Any]]], seed: int, minute: int) -> list[tuple[int, bytes]]:
    """(arrival in epoch ms, line) of a minute's events, with their repeats and delays; not sorted."""
    draw = random.Random(f"noise/{seed}/{minute}")
    lines = []
    for at_ms, event in made:
        line = _encode(event)
        chance = draw.random()
        if chance < _LATE:
            at_ms += draw.randint(*_LATE_MIN) * MINUTE_MS
        elif chance < _LATE + _TWICE:
            lines.append((at_ms + MINUTE_MS, line))
        lines.append((at_ms, line))
    return lines


#: How many minutes after its own a minute's lines may still arrive.
LONGEST_DELAY_MIN = _LATE_MIN[1]


def broken(seed: int, minute: int, *, live: bool) -> list[tuple[int, bytes]]:
    """(arrival in epoch ms, line) of what no decoder can take.

    ``live``: also events of the future. Only their receipt gives those away: in a file they would move the clock ahead.
    """
    draw = random.Random(f"broken/{seed}/{minute}")
    if draw.random() >= _BAD_A_MINUTE:
        return []
    at_ms = minute * MINUTE_MS + draw.randrange(MINUTE_MS)
    good = {
        "id": f"bad-{stamp(minute)}",
        "feed": "sensor",
        "source": "env-online",
        "time": local_text(at_ms),
        "subject": "旧采集仪 07",
        "metric": "w01018",
        "value": 41.5,
    }
    kinds = (
        _encode(good)[:-9],
        _encode({**good, "value": "41.5mg/L"}),
        _encode({key: value for key, value in good.items() if key != "time"}),
        _encode({**good, "feed": "sensors"}),
        _encode(good).replace(b"41.5", b"NaN"),
        _encode(good).replace("旧采集仪".encode(), "旧采集仪".encode("gbk")),
        _encode({**good, "time": local_text(at_ms + 7_200_000)}),
    )
    return [(at_ms, draw.choice(kinds if live else kinds[:-1]))]
