"""``fengsui live rebuild``: the live state in Redis again from the transition log, here or in the system that runs."""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack
from typing import Any

import click

from fengsui.exits import InputFault, ServiceMissing
from fengsui.layout import DataDirectory
from fengsui.remote import ask
from fengsui.settings import Settings
from sinks.live.address import RedisAddress
from sinks.live.fill import Journal
from sinks.live.redis import RedisLive
from sinks.live.writer import LiveWriter
from sinks.store.store import Store
from streams.log.sqlite import SqliteLog

_ASK_EVERY_S = 0.3
_STAGES = {"read": "读日志 · reading the log", "write": "写入 · writing alerts"}


def run_rebuild(settings: Settings, *, replace: bool = False) -> None:
    """Says what was made. InputFault where the live state is not shared; LiveError, LogError, StoreError, ServiceMissing."""
    address = settings.live_address
    if address is None:
        raise InputFault(
            f"live = {settings.live} ({settings.origins.get('live', 'built in')}): live state in memory is made again at each "
            "start, there is nothing to rebuild; name the Redis with --live redis://HOST:PORT/DB, or FENGSUI_LIVE"
        )
    if settings.log is not None:
        _told(address, _of_a_cluster(settings, address, replace=replace))
        return
    directory = DataDirectory(settings.data)
    if directory.in_use():
        _told(address, _by_the_running_system(settings, replace=replace))
        return
    if not directory.transition_log.is_file():
        raise InputFault(
            f"{settings.data} is no data directory of Fengsui: give one with --data, or start `fengsui up` first"
        )
    directory.check_version()

    def shared_of(log: SqliteLog) -> RedisLive:
        return RedisLive(address, log.identity, lineage=directory.lineage(log.identity))

    with SqliteLog(directory.transition_log, read_only=True) as log:
        if log.oldest <= 1:
            made = rebuild(shared_of(log), log, None, replace=replace)
        else:
            with Store.open(settings.store_address(directory.store)) as store:
                made = rebuild(shared_of(log), log, store, replace=replace)
    _told(address, made)


def rebuild(shared: RedisLive, journal: Journal, store: Store | None, *, replace: bool) -> dict[str, Any]:
    """In this process; closes ``shared``."""
    try:
        made = LiveWriter(shared, journal, store).rebuild(replace=replace, tell=_show)
    finally:
        shared.close()
        _clear()
    return {"position": made.position, "unresolved": made.unresolved, "resolved": made.resolved}


def _of_a_cluster(settings: Settings, address: RedisAddress, *, replace: bool) -> dict[str, Any]:
    """Here, beside the boards: they move to the new build by themselves."""
    from streams.cluster.address import parse_address
    from streams.cluster.identity import open_cluster
    from streams.cluster.transition_log import TransitionLog

    assert settings.log is not None
    if settings.store is None or settings.store.startswith("chdb:"):
        raise InputFault(
            "集群的历史存于服务器 · the history of a cluster is on a server: give --store https://USER@HOST:8443/DATABASE"
        )
    cluster = parse_address(settings.log)
    with ExitStack() as stack:
        store = stack.enter_context(Store.open(settings.store_address(settings.data)))
        log = TransitionLog(cluster, open_cluster(cluster).cluster).start()
        stack.callback(log.close)
        return rebuild(RedisLive(address, log.identity), log, store, replace=replace)


def _by_the_running_system(settings: Settings, *, replace: bool) -> dict[str, Any]:
    """It holds the directory and the store, so it is asked to; what it says is shown as it goes on."""
    begun = ask(settings, "POST", "/api/v1/live/rebuild", json.dumps({"replace": replace}).encode())
    if begun.status == 404:
        raise InputFault(
            "the running system keeps its live state in memory: start it with --live redis://… to share it"
        )
    if begun.status != 202:
        raise ServiceMissing(str(begun.json.get("detail") or begun.json.get("title") or f"HTTP {begun.status}"))
    try:
        while True:
            told = ask(settings, "GET", "/api/v1/live").json.get("rebuild") or {}
            if told.get("state") == "failed":
                raise ServiceMissing(str(told.get("error")))
            if told.get("state") == "done":
                return dict(told["rebuilt"])
            _show(str(told.get("stage")), int(told.get("done", 0)), int(told.get("of", 0)))
            time.sleep(_ASK_EVERY_S)
    finally:
        _clear()


def _told(address: RedisAddress, made: dict[str, Any]) -> None:
    click.echo(
        f"实时状态已重建 · rebuilt up to position {made['position']:,}: {made['unresolved']:,} unresolved and "
        f"{made['resolved']:,} resolved alerts in {address}"
    )


def _show(stage: str, done: int, of: int) -> None:
    if sys.stderr.isatty() and stage in _STAGES:
        click.echo(f"\r\033[K{_STAGES[stage]} {done:,} / {of:,}", err=True, nl=False)


def _clear() -> None:
    if sys.stderr.isatty():
        click.echo("\r\033[K", err=True, nl=False)
