"""Compiles the engine's inner loops once, so that the first start need not: ``python -m fengsui.warm``.

The machine code is kept beside the sources (``__pycache__``) and used again by every later process.
"""

from __future__ import annotations

from io import BytesIO
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory

from fengsui.demo.day import Day
from rules.load import load_rules, packs_directory
from streams.replay import replay

#: 11:30 to 12:10 in the demo's day: every feed but the rarest speaks.
_FROM_MS = 1_772_380_800_000 + 690 * 60_000
_TO_MS = _FROM_MS + 40 * 60_000
#: What the packs do not have: a rule that brings it later must not hold the engine up while it is compiled.
_OTHERS = """
templates:
  warm: {title: warm, feed: sensor, by: [subject, metric], severity: blue}
rules:
  - {template: warm, id: session, window: {session: 5m}, measure: {n: count(*), mean: avg(value)}, when: n > 1}
  - template: warm
    id: sliding
    window: {sliding: 20m}
    measure: {n: count(distinct value), mid: median(value), most: max(value), sd: stddev(value), f: first(unit)}
    when: mid > 1 OR n > 1
    clear: mid < 0
    hold: 1m
  - template: warm
    id: tumbling
    window: {tumbling: 10m}
    measure: {n: count(distinct value), mid: median(value), most: max(value), sd: stddev(value), f: last(unit)}
    baseline: {last: 2, measure: {mean: avg(mid)}}
    when: mid > mean
  - {template: warm, id: new, new: [quality], learn: 1m}
  - {template: warm, id: absent, absent: 5m}
"""


def warm() -> int:
    """Replays some minutes of the demo's day through all packs, and through a rule of each other shape; how many events."""
    lines = (line + b"\n" for _, line in takewhile(lambda pair: pair[0] < _TO_MS, Day(1, live=False).lines(_FROM_MS)))
    with TemporaryDirectory(prefix="fengsui-") as directory:
        file = Path(directory) / "day.ndjson"
        file.write_bytes(b"".join(lines))
        replay([file], load_rules({"warm.yaml": _OTHERS}), BytesIO())
        return replay([file], load_rules(packs_directory()), BytesIO()).read


if __name__ == "__main__":
    warm()
