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


def warm() -> int:
    """Replays some minutes of the demo's day through all packs; how many events."""
    lines = (line + b"\n" for _, line in takewhile(lambda pair: pair[0] < _TO_MS, Day(1, live=False).lines(_FROM_MS)))
    with TemporaryDirectory(prefix="fengsui-") as directory:
        file = Path(directory) / "day.ndjson"
        file.write_bytes(b"".join(lines))
        return replay([file], load_rules(packs_directory()), BytesIO()).read


if __name__ == "__main__":
    warm()
