"""The tables' engines: the migrations are written for one server, and turned into those of several that hold the same."""

from __future__ import annotations

import re

from sinks.store.address import Address

#: Where the servers' keeper has what they share of a table; the braces are filled in by each server.
_KEPT_AT = "/clickhouse/tables/{shard}/{database}/{table}"
#: Of these the first may be any of a cluster's shards, and the second is another one on each server.
MACROS = frozenset({"shard", "replica"})
_ENGINE = re.compile(r"\bENGINE = (Replacing)?MergeTree(?:\(([^)]*)\))?")
_MADE = re.compile(
    r"^((?:CREATE (?:TABLE|MATERIALIZED VIEW|VIEW)|ALTER TABLE|DROP TABLE)(?: IF (?:NOT )?EXISTS)? )(\w+)"
)


def rendered(statement: str, address: Address) -> str:
    """A statement of the migrations as the server at ``address`` is to run it."""
    if address.cluster:
        name = "'" + address.cluster.replace("\\", "\\\\").replace("'", "\\'") + "'"
        statement = _MADE.sub(lambda made: f"{made[1]}{made[2]} ON CLUSTER {name}", statement, count=1)
    if address.replicated:
        statement = _ENGINE.sub(_replicated, statement, count=1)
        statement = statement.replace("non_replicated_deduplication_window", "replicated_deduplication_window")
    return statement


def _replicated(engine: re.Match[str]) -> str:
    more = f", {engine[2]}" if engine[2] else ""
    return f"ENGINE = Replicated{engine[1] or ''}MergeTree('{_KEPT_AT}', '{{replica}}'{more})"
