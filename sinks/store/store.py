"""The store: every event, transition and dead letter, to be asked for later. ClickHouse, in this process or on a server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from events.feeds import DAY_MS, FeedCatalog
from sinks.store.address import Address
from sinks.store.connections import Connections
from sinks.store.dump import dump, load
from sinks.store.errors import StoreError, StoreMismatch
from sinks.store.history import History
from sinks.store.migrate import migrate
from sinks.store.reads import Reads
from sinks.store.writes import POSITIONS, Writes, ends

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

#: Refused lines are kept for a fix and a replay, not as records.
DEAD_LETTER_DAYS = 90


class Store(Reads, Writes):
    """Open with :meth:`open`; any thread may use it. One process at a time for a ``chdb://`` directory."""

    def __init__(self, connections: Connections, catalog: FeedCatalog) -> None:
        Reads.__init__(self, connections, catalog)
        Writes.__init__(self, connections)
        self._history = History(connections, self.clock_ms)
        #: what the store was told to follow while it could not be asked: log -> its end by partition
        self._promised: dict[str, Mapping[int, int]] = {}

    @classmethod
    def open(cls, place: str | Address, catalog: FeedCatalog | None = None, *, patient: bool = False) -> Self:
        """``chdb:///path`` or ``http(s)://user:password@host:8123/database``; makes what is missing.

        ``patient``: a server that is not there now may come later; until then every question says StoreDown.
        Raises StoreInUse, StoreNewer, StoreDown, StoreFull, StoreRefused, StoreFailed.
        """
        address = Address.of(place)
        connections = Connections(address)
        store = cls(connections, catalog or FeedCatalog.builtin())
        connections.prepare = store._prepare
        try:
            connections.open()
        except StoreError as error:
            if not (patient and error.retryable and not address.embedded):
                connections.close()
                raise
        except BaseException:
            connections.close()
            raise
        return store

    def _prepare(self, client: Client) -> None:
        migrate(client, self._connections.address)
        for log, newest in list(self._promised.items()):
            self._bind(client, log, newest)

    def close(self) -> None:
        """Waits for what is under way, then lets go of the directory. May be called twice."""
        self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def place(self) -> str:
        """The address, without a password."""
        return self._connections.place

    @property
    def embedded(self) -> bool:
        """In this process, not on a server."""
        return self._connections.embedded

    @property
    def history(self) -> History:
        """What a backtest reads."""
        return self._history

    @property
    def catalog(self) -> FeedCatalog:
        """What domains and retention go by; set it anew after a reload."""
        return self._catalog

    @catalog.setter
    def catalog(self, catalog: FeedCatalog) -> None:
        self._catalog = catalog

    def check(self) -> str:
        """The engine's version: for the doctor. StoreError when it does not answer."""
        with self._connections.reader() as client:
            return str(client.query("SELECT version()").result_rows[0][0])

    def bind(self, log: str, identity: str, newest: int | Mapping[int, int]) -> None:
        """Says which log a table follows (``events``, ``transitions``, ``dead_letters``), by the log's identity and end.

        ``newest``: of each partition that may be asked about. StoreMismatch where the table was filled from another log, or
        holds positions that the log never gave: both come from putting together a store and a data directory of different
        times or places. A server that cannot be asked now is asked before anything is written (StoreDown says so).
        """
        self._identities[log] = identity
        self._promised[log] = ends(newest)
        with self._connections.writer() as client:
            self._bind(client, log, self._promised[log])
            del self._promised[log]

    def _bind(self, client: Client, log: str, newest: Mapping[int, int]) -> None:
        remedy = "restore both from one backup, or move the store's directory away: what the logs still hold is filled in again"
        identity = self._identities[log]
        found = client.query(
            "SELECT DISTINCT identity FROM origins WHERE log = {log:String}", parameters={"log": log}
        ).result_rows
        if any(known != identity for (known,) in found):
            raise StoreMismatch(f"{self.place} was filled from another {log} log: {remedy}")
        column, _ = POSITIONS[log]
        of = "0" if log == "transitions" else "partition"
        for partition, last in client.query(f"SELECT {of} AS of, max({column}) FROM {log} GROUP BY of").result_rows:
            if int(last) > newest.get(int(partition), int(last)):
                where = "" if list(newest) == [0] else f" of partition {partition}"
                raise StoreMismatch(
                    f"{self.place} holds {log} up to position {last}{where}, their log ends at {newest[int(partition)]}: {remedy}"
                )
        if not found:
            client.command(
                "INSERT INTO origins SELECT {log:String}, {identity:String}",
                parameters={"log": log, "identity": identity},
            )

    def sweep(self, now_ms: int) -> dict[str, int]:
        """Deletes what is past its retention (days since receipt, by the catalogue as it is now): rows deleted, by feed.

        Feeds that are no longer in the catalogue are kept as long as the longest-kept one. Refused lines go after 90 days,
        or with their feed. Transitions stay. Run it once a day.
        """
        feeds = self._catalog.feeds
        longest = max(feed.retention_days for feed in feeds.values())
        deleted: dict[str, int] = {}
        for table in ("events", "dead_letters"):
            with self._connections.report() as client:
                held = client.query(f"SELECT feed, min(receipt_ms) FROM {table} GROUP BY feed").result_rows
            for name, oldest_ms in held:
                days = feeds[name].retention_days if name in feeds else longest
                before_ms = now_ms - (min(days, DEAD_LETTER_DAYS) if table == "dead_letters" else days) * DAY_MS
                if int(oldest_ms) >= before_ms:
                    continue
                values = {"feed": str(name), "before": before_ms}
                gone = "feed = {feed:String} AND receipt_ms < {before:Int64}"
                with self._connections.writer() as client:
                    count = client.query(f"SELECT count() FROM {table} WHERE {gone}", parameters=values).result_rows[0][
                        0
                    ]
                    client.command(f"ALTER TABLE {table} DELETE WHERE {gone}", parameters=values)
                deleted[str(name)] = deleted.get(str(name), 0) + int(count)
        return deleted

    def dump(self, directory: Path, upto: Mapping[str, int] | None = None) -> dict[str, int]:
        """All rows as files: see :func:`sinks.store.dump.dump`."""
        return dump(self._connections, directory, upto or {})

    def load(self, directory: Path) -> dict[str, int]:
        """The reverse of :meth:`dump`, into an empty store: see :func:`sinks.store.dump.load`."""
        rows = load(self._connections, directory)
        self.forget_positions()
        return rows

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Rows and bytes on disk of each table."""
        with self._connections.reader() as client:
            found = client.query(
                "SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts "
                "WHERE database = currentDatabase() AND active GROUP BY table"
            ).result_rows
        held = {str(table): (int(rows), int(nbytes)) for table, rows, nbytes in found}
        return {table: held.get(table, (0, 0)) for table in POSITIONS}
