"""Recorded events from files, chunk by chunk: NDJSON (plain, .gz, .zst, or standard input) and Parquet."""

from __future__ import annotations

import gzip
import sys
import zlib
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
        return _Unpacked(raw)  # type: ignore[return-value]
    return raw


class _Unpacked:
    """A zstd file, frame by frame. Unlike the library's own reader it notices (EOFError) that the end is missing."""

    #: What one read may inflate to stays bounded, also where a few bytes stand for very many.
    _PACKED_BYTES = 4096

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._rest = b""

    def read(self, size: int) -> bytes:
        """About ``size`` bytes; nothing at the end."""
        parts: list[bytes] = []
        while size > 0:
            packed = self._rest or self._raw.read(self._PACKED_BYTES)
            if not packed:
                if self._frame is not None:
                    raise EOFError("the end of the file is missing")
                break
            frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
            parts.append(frame.decompress(packed))
            size -= len(parts[-1])
            self._frame, self._rest = (None, frame.unused_data) if frame.eof else (frame, b"")
        return b"".join(parts)


def _lines(stream: BinaryIO, path: str) -> Iterator[bytes]:
    rest = b""
    while True:
        try:
            block = stream.read(CHUNK_BYTES)
        except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
            raise SourceError(f"{path}: cannot be read as what its name says ({error})") from None
        if not block:
            break
        end = block.rfind(b"\n") + 1
        if not end:
            rest += block
            continue
        yield b"".join((rest, memoryview(block)[:end]))
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
    frame = frame.with_columns(_plain(path, frame))
    moments = [name for name, dtype in frame.schema.items() if dtype.base_type() is pl.Datetime]
    frame = frame.with_columns(
        pl.col(name).dt.replace_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        if getattr(frame.schema[name], "time_zone", None) is None
        else pl.col(name).dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        for name in moments
    )
    for start in range(0, len(frame), _PARQUET_ROWS):
        try:
            yield frame.slice(start, _PARQUET_ROWS).write_ndjson().encode()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise SourceError(f"{path}: has a column that is no JSON ({' '.join(str(error).split())[:120]})") from None


def _plain(path: str, frame: pl.DataFrame) -> list[pl.Series]:
    """Decimals as numbers, and bytes as the texts that they are: some writers of Parquet do not tell the two apart."""
    made = [series.cast(pl.Float64) for series in frame if series.dtype.base_type() is pl.Decimal]
    for series in frame.select(pl.col(pl.Binary)):
        try:
            made.append(series.cast(pl.String))
        except pl.exceptions.PolarsError:
            raise SourceError(
                f"{path}: the column {series.name!r} holds bytes that are no text: leave it out"
            ) from None
    return made
