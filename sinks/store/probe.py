"""A look at a store from outside, which makes and changes nothing: for the doctor."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sinks.store.address import Address
from sinks.store.connections import UNKNOWN_DATABASE, connect, named
from sinks.store.engines import MACROS
from sinks.store.migrate import TABLES, migrations

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

#: What the user must be allowed on the database; see docs/store.md.
RIGHTS = ("SELECT", "INSERT", "ALTER", "CREATE TABLE", "CREATE VIEW")
_SYNTAX = 62


@dataclass(frozen=True)
class Probe:
    """``step``: the tables' version, 0 where there are none. ``ahead_ms``: the server's clock against ours, give or take ``within_ms``.

    ``origins``: log -> identity. ``faults``: what stands in the way, each with what to do.
    """

    version: str
    database: bool
    step: int = 0
    ahead_ms: int = 0
    within_ms: int = 0
    origins: dict[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()


def probe(address: Address, clock: Callable[[], int]) -> Probe:
    """``clock``: epoch milliseconds. StoreError where nothing can be asked at all."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    with named(address.place):
        try:
            client = connect(address, {})
        except ClickHouseError as error:
            if getattr(error, "code", None) != UNKNOWN_DATABASE:
                raise
            client = connect(address, {}, database="default")
            there = False
        else:
            there = True
        try:
            return _look(client, address, clock, there=there)
        finally:
            client.close()


def _look(client: Client, address: Address, clock: Callable[[], int], *, there: bool) -> Probe:
    begun_ms, begun_s = clock(), time.monotonic()
    version, server_ms = client.query("SELECT version(), toUnixTimestamp64Milli(now64(3))").result_rows[0]
    within_ms = round((time.monotonic() - begun_s) * 500)
    faults = [*_rights(client, address), *_shared(client, address)]
    held = {
        str(name)
        for (name,) in client.query(
            "SELECT name FROM system.tables WHERE database = {database:String}",
            parameters={"database": address.database},
        ).result_rows
    }
    step, origins = 0, {}
    if "migrations" in held:
        step = int(client.query("SELECT max(number) FROM migrations").result_rows[0][0])
        if step > len(migrations()):
            faults.append(f"its tables are of a newer version of Fengsui (step {step}): install that version")
    elif foreign := sorted(held & TABLES):
        faults.append(
            f"database {address.database} holds tables of something else ({', '.join(foreign)}): give Fengsui a database of its own"
        )
    if "origins" in held and not faults:
        origins = {
            str(log): str(identity) for log, identity in client.query("SELECT log, identity FROM origins").result_rows
        }
    ahead_ms = int(server_ms) - begun_ms - within_ms
    return Probe(str(version), there, step, ahead_ms, within_ms, origins, tuple(faults))


def _rights(client: Client, address: Address) -> list[str]:
    from clickhouse_connect.driver.exceptions import ClickHouseError

    if client.query("SELECT value FROM system.settings WHERE name = 'readonly'").result_rows[0][0] != "0":
        return ["the user may only read (readonly): give one that may write, see docs/store.md"]
    lacking = []
    for right in RIGHTS:
        try:
            granted = client.query(f"CHECK GRANT {right} ON `{address.database.replace('`', '')}`.*").result_rows[0][0]
        except ClickHouseError as error:
            if getattr(error, "code", None) == _SYNTAX:  # an older server, which cannot be asked
                return []
            raise
        if not granted:
            lacking.append(right)
    if not lacking:
        return []
    return [
        f"the user lacks {', '.join(lacking)} on {address.database}: GRANT {', '.join(lacking)} ON {address.database}.* TO user"
    ]


def _shared(client: Client, address: Address) -> list[str]:
    """What several servers need to hold the same."""
    faults = []
    if address.cluster:
        found = client.query(
            "SELECT count() FROM system.clusters WHERE cluster = {name:String}", parameters={"name": address.cluster}
        ).result_rows[0][0]
        if not found:
            faults.append(
                f"the server knows no cluster {address.cluster!r}: see remote_servers of its configuration, or store_cluster"
            )
    if address.replicated:
        known = {str(macro) for (macro,) in client.query("SELECT macro FROM system.macros").result_rows}
        if lacking := sorted(MACROS - known):
            faults.append(f"store_replicated needs the macros {', '.join(lacking)} in the server's configuration")
    return faults
