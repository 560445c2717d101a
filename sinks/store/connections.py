"""Connections to ClickHouse, in this process (``chdb:///path``) or on a server (``http://host:8123/database``)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sinks.store.address import Address
from sinks.store.errors import (
    StoreBusy,
    StoreClosed,
    StoreDown,
    StoreError,
    StoreFailed,
    StoreFull,
    StoreInUse,
    StoreRefused,
)

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

#: Lists and evidence share these; a report has one of its own, so that it cannot hold them up.
MAX_READERS = 3
#: How long a question waits for a free connection.
READER_WAIT_S = 10.0
#: How long inserts that were under way are waited for, and how often it is looked.
_SETTLE_S = 20.0
_SETTLE_LOOK_S = 0.2
#: A question does not wait longer for a first connection that another one makes, nor tries one sooner after a failure.
_SOON_S = 0.2
_AWAY_S = 2.0

#: ClickHouse takes a server with hundreds of gigabytes for granted; this one shares a small machine with everything else.
_ENGINE_OPTIONS: dict[str, int] = {
    "mark_cache_size": 64_000_000,
    "index_mark_cache_size": 16_000_000,
    "primary_index_cache_size": 64_000_000,
    "uncompressed_cache_size": 0,
    "index_uncompressed_cache_size": 0,
    "query_condition_cache_size": 8_000_000,
    "compiled_expression_cache_size": 16_000_000,
    "mmap_cache_size": 64,
    "max_thread_pool_size": 128,
    "max_thread_pool_free_size": 4,
    "max_io_thread_pool_size": 8,
    "max_io_thread_pool_free_size": 0,
    "background_pool_size": 2,
    "background_schedule_pool_size": 2,
}
_READ_SETTINGS: dict[str, int] = {
    "max_execution_time": 10,
    "max_memory_usage": 800_000_000,
    "max_threads": 2,
    "max_result_bytes": 400_000_000,
}
_REPORT_SETTINGS: dict[str, int] = {
    "max_execution_time": 120,
    "max_memory_usage": 1_000_000_000,
    "max_bytes_before_external_sort": 300_000_000,
    "max_bytes_before_external_group_by": 300_000_000,
    "max_threads": 1,
}
_WRITE_SETTINGS: dict[str, int] = {
    "max_memory_usage": 1_500_000_000,
    "max_threads": 1,
    "max_insert_threads": 1,
    # One block, one part, whole or not at all: a batch is far smaller than these.
    "max_insert_block_size": 4_000_000,
    "min_insert_block_size_rows": 4_000_000,
    "min_insert_block_size_bytes": 1_000_000_000,
    "mutations_sync": 1,
    # The server's defaults forbid a pause this long between the parts of one insert.
    "max_execution_time": 300,
}
#: A backup takes as long as it takes, in small bites.
_BULK_SETTINGS: dict[str, int] = {
    "max_memory_usage": 1_000_000_000,
    "max_threads": 1,
    "max_insert_threads": 1,
    "max_block_size": 16_384,
    "min_insert_block_size_rows": 200_000,
    "min_insert_block_size_bytes": 100_000_000,
}
#: Of many writers: the server gathers what they send for a moment and answers when it is on its disk.
_GATHERED_SETTINGS: dict[str, int] = {"async_insert": 1, "wait_for_async_insert": 1, "async_insert_deduplicate": 1}
UNKNOWN_DATABASE = 81
_BUSY_CODES = frozenset({159, 160, 202, 241, 252, 307, 396})
_FULL_CODES = frozenset({243})
#: Also what a replica says that has lost its keeper: 242, 999.
_DOWN_CODES = frozenset({209, 210, 236, 242, 999})
_PASSWORD_CODES = frozenset({192, 193, 194, 516})
_RIGHTS_CODES = frozenset({164, 291, 497})
_NO_SPACE = ("No space left on device", "errno: 28", "NOT_ENOUGH_SPACE")


#: Tables with a materialized view behind them.
_VIEWED = frozenset({"transitions"})


class Connections:
    """A writer, a few readers and one connection for reports; all made when first needed, all closed together."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.place = address.place
        self.embedded = address.embedded
        #: run on the first connection that there is, before anything else; a server may be long in coming
        self.prepare: Callable[[Client], None] = lambda _: None
        self._state = threading.Condition()
        self._idle: list[Client] = []
        self._made = 0
        self._closed = False
        self._writer_lock = threading.RLock()
        self._report_lock = threading.Lock()
        self._report: Client | None = None
        self._writer: Client | None = None
        self._staging: Path | None = None
        #: why there is no connection yet, and until when that is not asked again by mere questions
        self._away: StoreDown | None = None
        self._away_until = 0.0

    def open(self) -> None:
        """Connects and prepares, where that has not been done. Every other way in does so by itself."""
        with self.writer():
            pass

    @contextmanager
    def writer(self) -> Iterator[Client]:
        """The one connection that changes anything; one thread at a time. Errors come out as StoreErrors."""
        with self._writer_lock:
            self._check()
            with named(self.place):
                if self._writer is None:
                    self._writer = self._first_writer()
                yield self._writer

    def _first_writer(self) -> Client:
        try:
            with named(self.place):
                writer = _first(self.address)
        except StoreDown as error:
            self._away, self._away_until = error, time.monotonic() + _AWAY_S
            raise
        self._away = None
        try:
            self.prepare(writer)
            self._staging = self._make_staging()
        except BaseException:
            writer.close()
            raise
        return writer

    def insert(self, table: str, columns: Sequence[str], block: bytes, *, form: str, token: str) -> None:
        """Writes one block in a ClickHouse format; a repeat of a ``token`` within the last thousand inserts does nothing."""
        settings: dict[str, str | int] = {"insert_deduplication_token": token}
        gathered = self.address.gathered and table not in _VIEWED
        # With a view behind the table the engine refuses to gather; without one there is nothing further to recognise.
        settings |= _GATHERED_SETTINGS if gathered else {"deduplicate_blocks_in_dependent_materialized_views": 1}
        with self.writer() as client:
            if self._staging is None:
                client.raw_insert(table, column_names=columns, insert_block=block, fmt=form, settings=settings)
                return
            # The engine in this process reads inserts from files. The driver would put them into the system's temporary
            # directory, where another disk may be full, and where a crash would leave people's data behind.
            file = self._staging / f"{table}.{form.lower()}"
            try:
                file.write_bytes(block)
                clause = ", ".join(f"{name} = {quoted(str(value))}" for name, value in settings.items())
                client.command(
                    f"INSERT INTO {table} ({', '.join(columns)}) FROM INFILE {quoted(str(file))} COMPRESSION 'none' "
                    f"SETTINGS {clause} FORMAT {form}"
                )
            finally:
                file.unlink(missing_ok=True)

    def settle(self, table: str) -> None:
        """Waits until the inserts into ``table`` that a server has under way are over, one way or the other.

        An insert whose answer was lost, or whose sender was killed, may still come to its end: only then can the table say
        what it holds. StoreBusy where that takes long.
        """
        if self.embedded:
            return
        with self.writer() as client:
            left = _under_way(client, table)
            until = time.monotonic() + _SETTLE_S
            while left:
                if time.monotonic() > until:
                    raise StoreBusy(f"{self.place}: an insert into {table} has been under way for {_SETTLE_S:.0f} s")
                time.sleep(_SETTLE_LOOK_S)
                left &= _under_way(client, table)

    def _make_staging(self) -> Path | None:
        """Where inserts are put for the engine to read; emptied of what a crash left."""
        place = self.address.directory if self.embedded else None
        if place is None:
            return None
        staging = place.resolve() / "inserts"
        staging.mkdir(mode=0o700, exist_ok=True)
        for left in staging.iterdir():
            left.unlink()
        return staging

    @contextmanager
    def reader(self) -> Iterator[Client]:
        """A connection for one short question. StoreBusy when none gets free in time."""
        self._prepared()
        client = self._take()
        try:
            with named(self.place):
                yield client
        finally:
            with self._state:
                self._idle.append(client)
                self._state.notify()

    @contextmanager
    def report(self) -> Iterator[Client]:
        """The connection for long questions; one at a time."""
        self._prepared()
        if not self._report_lock.acquire(timeout=READER_WAIT_S):
            raise StoreBusy("another report is being made: try again in a minute")
        try:
            self._check()
            with named(self.place):
                if self._report is None:
                    self._report = connect(self.address, _REPORT_SETTINGS)
                yield self._report
        finally:
            self._report_lock.release()

    @contextmanager
    def bulk(self) -> Iterator[Client]:
        """A connection of its own, closed afterwards, that may take any time."""
        self._prepared()
        self._check()
        with named(self.place):
            client = connect(self.address, _BULK_SETTINGS)
            try:
                yield client
            finally:
                client.close()

    def _take(self) -> Client:
        with self._state:
            self._check()
            ready = self._state.wait_for(lambda: self._idle or self._made < MAX_READERS or self._closed, READER_WAIT_S)
            self._check()
            if not ready:
                raise StoreBusy("too many questions at once: try again in a few seconds")
            if self._idle:
                return self._idle.pop()
            self._made += 1
        try:
            with named(self.place):
                return connect(self.address, _READ_SETTINGS)
        except BaseException:
            with self._state:
                self._made -= 1
                self._state.notify()
            raise

    def _prepared(self) -> None:
        """No question before the tables are there. Asked without the writer's lock, as an insert may hold it for long.

        While a server is away, one who asks connects anew now and then, and all others are told at once what that one was.
        """
        if self._writer is not None:
            return
        if not self._writer_lock.acquire(timeout=_SOON_S):
            raise self._away or StoreDown(f"{self.place} is being connected to: try again in a moment")
        try:
            if self._away is not None and time.monotonic() < self._away_until:
                raise self._away
            self.open()
        finally:
            self._writer_lock.release()

    def _check(self) -> None:
        if self._closed:
            raise StoreClosed(f"{self.place} is closed")

    def close(self) -> None:
        """Waits for what is under way, then closes everything; a chdb directory is free for others after it."""
        with self._writer_lock, self._report_lock, self._state:
            if self._closed:
                return
            self._closed = True
            self._state.notify_all()
            self._state.wait_for(lambda: len(self._idle) == self._made, READER_WAIT_S)
            for client in (*self._idle, self._report, self._writer):
                if client is not None:
                    client.close()


def quoted(text: str) -> str:
    """A literal, for the few places where nothing can be bound."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


@contextmanager
def named(place: str) -> Iterator[None]:
    """Turns what the driver raises into our errors."""
    from clickhouse_connect.driver.exceptions import ClickHouseError  # 0.4 s and 250 MB, see _connect

    try:
        yield
    except StoreError:
        raise
    except ClickHouseError as error:
        raise _name(place, error) from error
    except OSError as error:
        if error.errno == 28:  # ENOSPC: the driver writes inserts to a temporary file first
            raise StoreFull(f"no space is left for {place}") from error
        raise StoreDown(f"{place}: {error}") from error


def _name(place: str, error: Exception) -> StoreError:
    from clickhouse_connect.driver.exceptions import OperationalError, ProgrammingError

    text = str(error)
    code = getattr(error, "code", None)
    first = " ".join(text.split())[:300]
    if code in _FULL_CODES or any(word in text for word in _NO_SPACE):
        return StoreFull(f"{place} has no room left: {first}")
    if code in _BUSY_CODES:
        return StoreBusy(f"{place} could not answer in time: {first}")
    if code in _PASSWORD_CODES:
        return StoreRefused(
            f"{place} does not let this user in: look at the user in `store` and at FENGSUI_STORE_PASSWORD ({first})"
        )
    if code in _RIGHTS_CODES:
        return StoreRefused(f"{place}: the user lacks a right that docs/store.md lists: {first}")
    if "CERTIFICATE_VERIFY_FAILED" in text or "Hostname mismatch" in text or "doesn't match" in text:
        return StoreRefused(
            f"{place}: its certificate is not one that this machine trusts: give the authority's with store_ca, "
            f"and the host by the name that the certificate has ({first})"
        )
    if "[SSL" in text or "SSLError" in text:
        return StoreRefused(f"{place}: no TLS with this server: is it https that speaks on this port? ({first})")
    if code in _DOWN_CODES or (isinstance(error, OperationalError) and code is None):
        return StoreDown(f"{place} cannot be reached: {first}")
    if isinstance(error, ProgrammingError) and "has been closed" in text:
        return StoreClosed(f"{place} is closed")
    return StoreFailed(f"{place}: {first}")


def _under_way(client: Client, table: str) -> set[str]:
    """The ids of the inserts into a table that run now; a user sees those of its own name."""
    found = client.query(
        "SELECT query_id FROM system.processes WHERE query_kind IN ('Insert', 'AsyncInsertFlush') "
        "AND current_database = currentDatabase() AND position(substring(query, 1, 200), {table:String}) > 0",
        parameters={"table": table},
    ).result_rows
    return {str(query_id) for (query_id,) in found}


def _first(address: Address) -> Client:
    """The writer, with the database made where it is missing."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    with named(address.place):
        try:
            return connect(address, _WRITE_SETTINGS)
        except ClickHouseError as error:
            if "Cannot lock file" in str(error) or ("EmbeddedServer" in str(error) and address.embedded):
                raise StoreInUse(
                    f"{address.place} cannot be opened: another process (or another path in this one) holds the engine. "
                    "Stop it, or give another directory"
                ) from error
            if getattr(error, "code", None) != UNKNOWN_DATABASE:
                raise
        client = connect(address, {}, database="default")
        try:
            everywhere = f" ON CLUSTER {quoted(address.cluster)}" if address.cluster else ""
            client.command(
                f"CREATE DATABASE IF NOT EXISTS {{name:Identifier}}{everywhere}", parameters={"name": address.database}
            )
        finally:
            client.close()
        return connect(address, _WRITE_SETTINGS)


def connect(address: Address, settings: dict[str, int], *, database: str | None = None) -> Client:
    # Here, not above: loading the engine takes half a second and a few hundred megabytes, which a replay need not pay.
    import clickhouse_connect

    database = database or address.database
    if address.embedded:
        path = address.directory
        if path is not None:
            path.mkdir(parents=True, exist_ok=True)
        return clickhouse_connect.get_client(
            interface="chdb",
            path=str(path) if path else None,
            database=database,
            settings=dict(settings),
            chdb_options=dict(_ENGINE_OPTIONS),
        )
    more: dict[str, Any] = {} if address.authority is None else {"ca_cert": str(address.authority)}
    if address.password is not None:
        more["password"] = address.password
    return clickhouse_connect.get_client(
        dsn=address.url,
        # The driver does not look at the scheme: it would speak in the clear to whatever port is not 443 or 8443.
        interface=urlsplit(address.url).scheme,
        database=database,
        settings=dict(settings),
        autogenerate_session_id=False,
        send_receive_timeout=address.timeout_s,
        # A pool of its own: one that all share keeps connections to a server that has gone.
        dedicated_pool=address.authority is None,
        **more,
    )
