"""Recorded events from files, chunk by chunk: NDJSON (plain, .gz, .zst, or standard input) and Parquet."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import polars as pl
import zstandard

#: About 20,000 events: large enough for columns to pay, small enough to stay in the caches.
CHUNK_BYTES = 4 << 20
_PARQUET_ROWS = 20_000


class SourceError(Exception):
    """A file that cannot be read as events; the text says which and why."""


def chunks(path: str) -> Iterator[bytes]:
    """Whole lines of NDJSON, a few megabytes at a time. ``-`` is standard input."""
    if path == "-":
        yield from _lines(sys.stdin.buffer, path)
        return
    if path.endswith(".parquet"):
        yield from _parquet(path)
        return
    try:
        with Path(path).open("rb") as raw:
            yield from _lines(_opened(raw, path), path)
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise SourceError(f"{path}: is a directory, not a file of events") from None
    except PermissionError:
        raise SourceError(f"{path}: no permission to read it") from None


def _opened(raw: BinaryIO, path: str) -> BinaryIO:
    if path.endswith(".gz"):
        return gzip.open(raw, "rb")  # type: ignore[return-value]
    if path.endswith(".zst"):
        return zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
    return raw


def _lines(stream: BinaryIO, path: str) -> Iterator[bytes]:
    rest = b""
    while True:
        try:
            block = stream.read(CHUNK_BYTES)
        except (OSError, EOFError, zstandard.ZstdError) as error:
            raise SourceError(f"{path}: cannot be read as what its name says ({error})") from None
        if not block:
            break
        end = block.rfind(b"\n") + 1
        if not end:
            rest += block
            continue
        yield rest + block[:end] if rest else block[:end]
        rest = block[end:]
    if rest:
        yield rest


def _parquet(path: str) -> Iterator[bytes]:
    """Rows as NDJSON, so that they meet the same checks. Times become RFC 3339, nulls are left out."""
    try:
        frame = pl.read_parquet(path)
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SourceError(f"{path}: cannot be read as Parquet ({error})") from None
    moments = [name for name, dtype in frame.schema.items() if dtype.base_type() is pl.Datetime]
    frame = frame.with_columns(
        pl.col(name).dt.replace_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        if getattr(frame.schema[name], "time_zone", None) is None
        else pl.col(name).dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        for name in moments
    )
    for start in range(0, len(frame), _PARQUET_ROWS):
        yield frame.slice(start, _PARQUET_ROWS).write_ndjson().encode()
