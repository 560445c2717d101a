"""Where stored history is had from: the store of a directory that nobody holds, or the API of the system that holds it."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import msgspec
import polars as pl

from events.feeds import FeedCatalog
from fengsui import remote
from fengsui.exits import InputFault, ServiceMissing
from fengsui.layout import DataDirectory
from fengsui.settings import Settings
from fengsui.workbench.playback import Source
from sinks.store.errors import StoreBusy
from sinks.store.history import Outline, Page
from sinks.store.store import Store
from streams.log.sqlite import SqliteLog

#: Rule ids in one address.
_NAMES = 200


@contextmanager
def opened_history(settings: Settings, catalog: FeedCatalog) -> Iterator[tuple[Source, str]]:
    """The history of a data directory (or of the store that the settings name), and what to call it.

    Raises InputFault, ServiceMissing, StoreError, LogError.
    """
    with opened_store(settings, catalog) as store:
        if store is None:
            yield RemoteHistory(settings), str(settings.data)
        else:
            yield store.history, str(settings.data) if settings.store is None else store.place


@contextmanager
def opened_store(settings: Settings, catalog: FeedCatalog) -> Iterator[Store | None]:
    """The store of a data directory, with all that its logs have; None where a running system holds it: ask that one.

    Raises InputFault, ServiceMissing, StoreError, LogError.
    """
    directory = DataDirectory(settings.data)
    if directory.in_use():
        if directory.address() is None:
            raise ServiceMissing(f"a system is starting or stopping on {settings.data}: try again in a moment")
        yield None
        return
    if settings.store is None and not directory.exists:
        raise InputFault(
            f"{settings.data} is no data directory of Fengsui: give one with --data, or event files by name"
        )
    # As long as this one reads, no system may start on the directory: the engine in a process is the only one on its files.
    lock = directory.open() if directory.exists else None
    try:
        with Store.open(settings.store_address(directory.store), catalog) as store:
            _fill(store, directory)
            yield store
    finally:
        if lock is not None:
            lock.release()


def _fill(store: Store, directory: DataDirectory) -> None:
    """What the logs have and the store has not yet, when the system was stopped in between. StoreMismatch."""
    for name, path, insert in (
        ("events", directory.event_log, store.insert_log),
        ("transitions", directory.transition_log, store.insert_transitions),
    ):
        if not path.is_file():
            continue
        with SqliteLog(path, read_only=True) as log:
            store.bind(name, log.identity, log.newest)
            after = store.position(name)
            while entries := log.read(after):
                insert(entries)
                after = entries[-1].pos


class RemoteHistory:
    """The API of the system that holds the directory: it only reads pages, the engine runs here."""

    #: The system that answers has other things to do, and its memory is shared.
    page_rows = 100_000

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def outline(self, feeds: Collection[str], from_ms: int, to_ms: int) -> Outline:
        wanted = [*(("feed", feed) for feed in sorted(feeds)), ("from", str(from_ms)), ("to", str(to_ms))]
        return msgspec.json.decode(self._ask("/outline", wanted).body, type=Outline)

    def page(
        self, feeds: Collection[str], after: int, *, span: int, rows: int = page_rows, before_ms: int | None = None
    ) -> Page:
        wanted = [("after", str(after)), ("span", str(span)), ("rows", str(rows))]
        wanted += [("feed", feed) for feed in sorted(feeds)]
        if before_ms is not None:
            wanted.append(("before", str(before_ms)))
        answer = self._ask("", wanted)
        return Page(pl.read_ipc_stream(io.BytesIO(answer.body)), int(answer.headers["Fengsui-Next"]))

    def openings(self, rules: Collection[str], from_ms: int, to_ms: int) -> pl.DataFrame:
        ordered, frames = sorted(rules), []
        for start in range(0, len(ordered), _NAMES):
            wanted = [("rule", rule) for rule in ordered[start : start + _NAMES]]
            answer = self._ask("/openings", [*wanted, ("from", str(from_ms)), ("to", str(to_ms))])
            frames.append(pl.read_ipc_stream(io.BytesIO(answer.body)))
        return pl.concat(frames).sort("opened_ms", "key")

    def bundle(self, pos: int) -> str | None:
        answer = remote.ask(self._settings, "GET", f"/api/v1/history/rules?pos={pos}")
        return answer.body.decode() if answer.status == 200 else None

    def _ask(self, path: str, wanted: list[tuple[str, str]]) -> remote.Answer:
        answer = remote.ask(self._settings, "GET", f"/api/v1/history{path}?{urlencode(wanted)}")
        if answer.status == 200:
            return answer
        told = answer.json
        why = str(told.get("detail") or told.get("title") or f"HTTP {answer.status}")
        if answer.status == 503:
            raise StoreBusy(why)
        if answer.status == 404:
            raise ServiceMissing(
                "the running system is of an earlier version that does not give its history: restart it"
            )
        raise ServiceMissing(why)
