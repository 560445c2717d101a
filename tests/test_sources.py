"""Files of events: what is damaged or cut off is said, never taken for the whole."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
import zstandard

from streams.sources import SourceError, chunks

LINES = b"".join(b'{"id":"%d","text":"%s"}\n' % (i, bytes([97 + i % 26]) * 50) for i in range(5_000))


def packed(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def test_packed_files_hold_what_was_packed(tmp_path: Path) -> None:
    """In one part or in many, as loggers append them."""
    for name, data in {
        "one.zst": packed(LINES),
        "many.zst": b"".join(packed(LINES[i : i + 777]) for i in range(0, len(LINES), 777)),
        "empty.zst": packed(b""),
        "one.gz": gzip.compress(LINES),
        "many.gz": gzip.compress(LINES[:1000]) + gzip.compress(LINES[1000:]),
    }.items():
        path = tmp_path / name
        path.write_bytes(data)
        assert b"".join(chunks(str(path))) == (b"" if name.startswith("empty") else LINES), name


@pytest.mark.parametrize("name", ["cut.zst", "cut.gz"])
@pytest.mark.parametrize("kept", [0.01, 0.5, 0.999])
def test_a_file_that_was_cut_off(tmp_path: Path, name: str, kept: float) -> None:
    """Half a file must not pass for a quiet day."""
    whole = packed(LINES) if name.endswith("zst") else gzip.compress(LINES)
    path = tmp_path / name
    path.write_bytes(whole[: max(20, int(len(whole) * kept))])
    with pytest.raises(SourceError, match="cut"):
        list(chunks(str(path)))


def test_damaged_bytes(tmp_path: Path) -> None:
    """Every kind of damage has the same plain error, also where the unpacking itself stumbles."""
    whole = gzip.compress(LINES)
    path = tmp_path / "damaged.gz"
    for at in range(10, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with pytest.raises(SourceError, match="damaged"):
            list(chunks(str(path)))


def test_parquet_of_other_writers(tmp_path: Path) -> None:
    """Texts that are marked as bytes are texts, decimals numbers; what is no text is an error that names the column."""
    path = tmp_path / "a.parquet"
    frame = pl.DataFrame({"id": [b"a", "中".encode()], "value": [Decimal("1.50"), Decimal("2.25")]})
    frame.write_parquet(path)
    assert b"".join(chunks(str(path))).decode().splitlines() == ['{"id":"a","value":1.5}', '{"id":"中","value":2.25}']
    pl.DataFrame({"id": ["a"], "picture": [b"\xff\x00"]}).write_parquet(path)
    with pytest.raises(SourceError, match="'picture' holds bytes"):
        list(chunks(str(path)))
