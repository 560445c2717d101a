"""The generated day as a file, for ``fengsui replay``."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

from fengsui.demo.day import Day
from fengsui.demo.player import DAY_MS

#: 2026-03-02, a Monday, at midnight in UTC+8: the same day for everybody.
_MIDNIGHT_MS = 1_772_380_800_000


def write_day(path: Path, *, seed: int) -> int:
    """Writes one day as NDJSON in order of arrival (.gz and .zst are compressed); how many lines. OSError."""
    written = 0
    with _opened(path) as file:
        for at_ms, line in Day(seed, live=False).lines(_MIDNIGHT_MS):
            if at_ms >= _MIDNIGHT_MS + DAY_MS:
                return written
            file.write(line + b"\n")
            written += 1
    raise AssertionError("the day has no end")


def _opened(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        # No name and no time in it: the same bytes for the same day.
        return cast(BinaryIO, gzip.GzipFile(filename="", mode="wb", fileobj=path.open("wb"), mtime=0))
    if path.suffix == ".zst":
        return cast(BinaryIO, zstandard.open(path, "wb"))
    return path.open("wb")
