"""The tables, in numbered steps: ``migrations/NNNN_name.sql``, each run once, in order."""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from sinks.store.address import Address
from sinks.store.engines import rendered
from sinks.store.errors import StoreMismatch, StoreNewer

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_NAME = re.compile(r"(\d{4})_([a-z0-9_-]+)\.sql")
#: What the steps make, but the table that says which were run.
TABLES = frozenset(
    {"events", "controls", "transitions", "alerts", "alerts_from_transitions", "dead_letters", "origins"}
)
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
#: Two starters at once: the other one has just made it, is making it, or has changed it meanwhile.
_CLASH_CODES = frozenset({44, 57, 82, 122, 253, 517})
_TRIES = 8
_TRY_AGAIN_S = 0.25


@dataclass(frozen=True)
class Migration:
    """One file. ``statements`` are run one by one."""

    number: int
    name: str
    statements: tuple[str, ...]
    checksum: str


def migrations() -> list[Migration]:
    """All steps that this version knows, in order."""
    found = []
    for file in resources.files("sinks.store").joinpath("migrations").iterdir():
        match = _NAME.fullmatch(file.name)
        if match:
            text = file.read_text(encoding="utf-8")
            parts = (part.strip() for part in _COMMENT.sub("", text).split(";\n"))
            statements = tuple(part.rstrip(";") for part in parts if part)
            found.append(Migration(int(match[1]), match[2], statements, hashlib.sha256(text.encode()).hexdigest()[:16]))
    found.sort(key=lambda step: step.number)
    assert [step.number for step in found] == list(range(1, len(found) + 1)), "migrations are numbered without gaps"
    return found


def migrate(client: Client, address: Address) -> int:
    """Brings the tables up to date; returns the number of steps that were run. StoreNewer where they are ahead of us.

    Any number may do so at once: each statement can be run again by another, and where two meet, one tries again.

    ClickHouse has no transaction over several tables. A step that was cut off half way is run again from its first statement,
    so a statement that makes something first makes sure that what a cut-off run left, and that holds nothing yet, is gone.
    """
    _check_ours(client, address)
    _run(
        client,
        "CREATE TABLE IF NOT EXISTS migrations (number UInt32, name String, checksum String) ENGINE = MergeTree ORDER BY number",
        address,
    )
    done = {int(number) for (number,) in client.query("SELECT number FROM migrations").result_rows}
    known = migrations()
    if done and max(done) > len(known):
        raise StoreNewer(
            f"the store is at step {max(done)}, this version knows {len(known)}: start the newer version of Fengsui that made it"
        )
    run = 0
    for step in known:
        if step.number in done:
            continue
        for statement in step.statements:
            _run(client, _again(statement), address)
        client.command(
            "INSERT INTO migrations SELECT {number:UInt32}, {name:String}, {checksum:String}",
            parameters={"number": step.number, "name": step.name, "checksum": step.checksum},
        )
        run += 1
    return run


def _check_ours(client: Client, address: Address) -> None:
    """Our first table is the one that says which steps were run: without it, tables of our names are not ours."""
    found = {
        str(name)
        for (name,) in client.query("SELECT name FROM system.tables WHERE database = currentDatabase()").result_rows
    }
    if "migrations" not in found and (foreign := sorted(found & TABLES)):
        raise StoreMismatch(
            f"{address.place}: database {address.database} holds tables of something else ({', '.join(foreign)}): give Fengsui a "
            "database of its own"
        )


def _run(client: Client, statement: str, address: Address) -> None:
    from clickhouse_connect.driver.exceptions import ClickHouseError

    text = rendered(statement, address)
    for left in reversed(range(_TRIES)):
        try:
            client.command(text)
        except ClickHouseError as error:
            if getattr(error, "code", None) not in _CLASH_CODES or not left:
                raise
            time.sleep(_TRY_AGAIN_S)
        else:
            return


def _again(statement: str) -> str:
    """CREATE without IF NOT EXISTS reads better in the files; a step that was cut off needs it."""
    return re.sub(
        r"^CREATE (TABLE|MATERIALIZED VIEW|VIEW) (?!IF NOT EXISTS)", r"CREATE \1 IF NOT EXISTS ", statement, count=1
    )
