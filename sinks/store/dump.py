"""The store's rows as files, for a backup of a running system and for a move from one engine to another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import zstandard

from sinks.store.connections import Connections, named, quoted
from sinks.store.errors import StoreMismatch, StoreNewer
from sinks.store.migrate import migrations
from sinks.store.writes import POSITIONS

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

MANIFEST = "store.json"
#: ``alerts`` is made anew from the transitions.
_TABLES = ("origins", *POSITIONS)
_CHUNK_BYTES = 1 << 20


class _Manifest(msgspec.Struct, frozen=True):
    """``step``: the tables' version. ``columns``: those of each file, in order."""

    step: int
    columns: dict[str, list[str]]
    rows: dict[str, int]


def dump(connections: Connections, directory: Path, upto: Mapping[str, int]) -> dict[str, int]:
    """Writes each table into ``directory`` (made if missing) as ``<table>.native.zst``; returns the rows of each.

    ``upto``: for ``events``, ``controls``, ``transitions`` and ``dead_letters`` the last log position to take along. Taken from copies of
    the logs that were made before, it keeps the dump from being ahead of them. The system may run meanwhile.
    """
    directory.mkdir(parents=True, exist_ok=True)
    columns: dict[str, list[str]] = {}
    rows: dict[str, int] = {}
    with connections.bulk() as client:
        for table in _TABLES:
            columns[table] = _columns(client, table)
            where, values = "1", {}
            if table in upto:
                where, values = f"{POSITIONS[table][0]} <= {{upto:Int64}}", {"upto": upto[table]}
            source = f"FROM {table} WHERE {where}"
            rows[table] = int(client.query(f"SELECT count() {source}", parameters=values).result_rows[0][0])
            names = ", ".join(columns[table])
            compressor = zstandard.ZstdCompressor(level=3)
            with (
                (directory / f"{table}.native.zst").open("wb") as file,
                compressor.stream_writer(file) as sink,
                client.raw_stream(f"SELECT {names} {source}", parameters=values, fmt="Native") as stream,
            ):
                while chunk := stream.read(_CHUNK_BYTES):
                    sink.write(chunk)
    manifest = _Manifest(migrations()[-1].number, columns, rows)
    (directory / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    return rows


def load(connections: Connections, directory: Path) -> dict[str, int]:
    """Fills an empty store from what :func:`dump` wrote; returns the rows of each table.

    StoreNewer for a dump of a newer version, StoreMismatch where the store is not empty.
    """
    manifest = msgspec.json.decode((directory / MANIFEST).read_bytes(), type=_Manifest)
    known = migrations()[-1].number
    if manifest.step > known:
        raise StoreNewer(
            f"the backup's tables are at step {manifest.step}, this version knows {known}: use a newer Fengsui"
        )
    with connections.bulk() as client:
        for table in _TABLES:
            if client.query(f"SELECT count() FROM {table}").result_rows[0][0]:
                raise StoreMismatch(f"{connections.place} is not empty: a backup is restored into an empty store")
        for table in manifest.columns:  # a dump of an older version has fewer
            assert table in _TABLES, f"unknown table {table}"
            assert set(manifest.columns[table]) <= set(_columns(client, table)), f"unknown columns of {table}"
            _load(connections, client, directory / f"{table}.native.zst", table, manifest.columns[table])
    return manifest.rows


def _load(connections: Connections, client: Client, path: Path, table: str, columns: list[str]) -> None:
    if connections.embedded:
        # The engine reads the file itself: the driver would inflate it into a temporary file first.
        client.command(
            f"INSERT INTO {table} ({', '.join(columns)}) FROM INFILE {quoted(str(path.resolve()))} "
            "COMPRESSION 'zstd' FORMAT Native"
        )
        return
    with named(connections.place), path.open("rb") as file:
        client.raw_insert(table, column_names=columns, insert_block=file, fmt="Native", compression="zstd")


def _columns(client: Client, table: str) -> list[str]:
    """The columns that are stored and can be inserted."""
    found = client.query(
        "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String} "
        "AND default_kind NOT IN ('ALIAS', 'MATERIALIZED') ORDER BY position",
        parameters={"table": table},
    ).result_rows
    return [str(name) for (name,) in found]
