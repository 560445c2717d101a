"""``fengsui doctor``: each setting, file and service is looked at; what is wrong is said with what to do."""

from __future__ import annotations

import shutil
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import dashboards
from dashboards.server.tokens import TOKEN_FILE
from fengsui.exits import DONE, INPUT, SERVICE, ServiceMissing
from fengsui.layout import DataDirectory
from fengsui.remote import call
from fengsui.secret import without_password
from fengsui.settings import KEYS, Settings
from rules.calendar import last_known_year
from rules.errors import RuleErrors
from rules.load import load_rules, packs_directory
from rules.model import RuleSet
from sinks.live.address import RedisAddress
from sinks.live.errors import LiveError
from sinks.live.redis import ENOUGH_BYTES, Information, RedisLive
from sinks.store.address import Address
from sinks.store.errors import StoreError
from sinks.store.probe import probe
from sinks.store.store import Store
from sinks.store.writes import POSITIONS
from streams.log.errors import LogError
from streams.log.sqlite import SqliteLog

Verdict = Literal["ok", "warn", "fail"]
_MARKS = {"ok": "正常 ok  ", "warn": "留意 warn", "fail": "故障 FAIL"}
_LITTLE_DISK_BYTES = 2 << 30
_CLOCK_OFF_MS = 2_000
_MIN_PYTHON = (3, 11)


class Finding(NamedTuple):
    """``code``: what the command ends with because of it."""

    verdict: Verdict
    what: str
    text: str
    code: int = DONE


def examine(settings: Settings, say: Callable[[str], object]) -> int:
    """Looks at everything, says each finding in a line, and gives the exit code: the worst there is."""
    worst = DONE
    for name in KEYS:
        value = getattr(settings, name)
        say(f"设置 set   {name} = {'—' if value is None else without_password(str(value))} ({settings.origins[name]})")
    for finding in findings(settings):
        say(f"{_MARKS[finding.verdict]} {finding.what}: {finding.text}")
        worst = max(worst, finding.code)
    return worst


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def findings(settings: Settings) -> Iterator[Finding]:
    """Every check, cheap ones first."""
    directory = DataDirectory(settings.data)
    running = directory.in_use()
    yield _python()
    yield from _rules(settings)
    yield _disk(settings.data)
    yield from _directory(directory)
    yield from _logs(directory)
    yield from _cluster(settings)
    yield from _store(settings, directory, running=running)
    yield from _live(settings, directory)
    yield _server(settings, running=running)
    yield from _certificate(settings)
    yield _board()


def _python() -> Finding:
    version = sys.version.split()[0]
    if sys.version_info < _MIN_PYTHON:
        return Finding("fail", "python", f"{version} is too old: install 3.11 or newer", SERVICE)
    return Finding("ok", "python", version)


def _rules(settings: Settings) -> Iterator[Finding]:
    place = settings.rules or packs_directory()
    try:
        ruleset = load_rules(place, zone=settings.zone)
    except RuleErrors as error:
        text = f"{len(error.errors)} errors in {place}, the first: {error.errors[0]} (all: fengsui rules check {place})"
        yield Finding("fail", "rules", text, INPUT)
        return
    yield Finding("ok", "rules", f"{len(ruleset.rules)} rules, {len(ruleset.catalog.feeds)} feeds in {place}")
    yield from workdays(ruleset, year=datetime.now(UTC).year)


def workdays(ruleset: RuleSet, *, year: int) -> Iterator[Finding]:
    """The holidays of a year are known only once the State Council has told them, and the package that holds them is renewed."""
    asking = [rule.id for rule in ruleset.rules if rule.only and rule.only.asks_workdays]
    if not asking:
        return
    text = f"holidays are known up to {last_known_year()}; {len(asking)} rules ask for them"
    if year > last_known_year():
        yield Finding(
            "warn", "workdays", f"{text}: renew the package chinesecalendar, until then Monday to Friday count"
        )
    else:
        yield Finding("ok", "workdays", text)


def _disk(data: Path) -> Finding:
    place = data.resolve()
    while not place.exists():
        place = place.parent
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return Finding("fail", "disk", f"{place} cannot be looked at: {error}", SERVICE)
    text = f"{free / (1 << 30):.1f} GB free at {place}"
    if free < _LITTLE_DISK_BYTES:
        return Finding("warn", "disk", f"{text}: make room, or set log_max_gb lower")
    return Finding("ok", "disk", text)


def _directory(directory: DataDirectory) -> Iterator[Finding]:
    if not directory.exists:
        yield Finding("ok", "data", f"{directory.path} is not there yet: the first start makes it")
        return
    try:
        directory.check_version()
    except LogError as error:
        yield Finding("fail", "data", str(error), SERVICE)
        return
    address = directory.address()
    yield Finding(
        "ok", "data", f"{directory.path}" + (f", in use by the system at {address}" if address else ", not in use")
    )
    token = directory.path / TOKEN_FILE
    if token.exists() and token.stat().st_mode & 0o077:
        yield Finding("warn", "token", f"{token} can be read by others: chmod 600, then fengsui token rotate")


def _logs(directory: DataDirectory) -> Iterator[Finding]:
    for path in (directory.event_log, directory.transition_log, directory.dead_log):
        if not path.is_file():
            continue
        try:
            with SqliteLog(path, read_only=True) as log:
                behind = {name: log.newest - pos for name, pos in log.consumers().items() if pos < log.newest}
                text = f"positions {log.oldest} to {log.newest}, {log.used_bytes / 1e6:.0f} MB"
        except LogError as error:
            yield Finding("fail", path.name, str(error), SERVICE)
            continue
        # Not how far readers are, but how far they could need to go back after a crash.
        kept = ", ".join(f"{name} {count}" for name, count in behind.items())
        yield Finding("ok", path.name, f"{text}; positions kept for a restart: {kept or 'none'}")


def _cluster(settings: Settings) -> Iterator[Finding]:
    if settings.log is None:
        return
    from streams.cluster.address import parse_address
    from streams.cluster.identity import open_cluster
    from streams.cluster.topics import plan

    address = parse_address(settings.log)
    try:
        identity = open_cluster(address)
        lacking = plan(address).lines()
    except LogError as error:
        yield Finding("fail", "log", str(error), SERVICE)
        return
    text = f"{address}: cluster {identity.cluster}, {identity.partitions} + {identity.wide} partitions"
    if lacking:
        yield Finding("warn", "log", f"{text}; its topics differ in {len(lacking)} things: fengsui topics apply")
    else:
        yield Finding("ok", "log", text)


def _store(settings: Settings, directory: DataDirectory, *, running: bool) -> Iterator[Finding]:
    address = settings.store_address(directory.store)
    if not address.embedded:
        yield from store_findings(address, _followed(settings, directory), wall_ms)
        return
    if running:
        yield Finding("ok", "store", f"{address.url}: held by the running system, see its /readyz below")
    elif address.directory is not None and not address.directory.exists():
        yield Finding("ok", "store", f"{address.url} is not there yet: the first start makes it")
    else:
        try:
            with Store.open(address) as store:
                yield Finding("ok", "store", f"{address.url} answers: ClickHouse {store.check()}")
        except StoreError as error:
            yield Finding("fail", "store", f"{address.url}: {error}", SERVICE)


def _followed(settings: Settings, directory: DataDirectory) -> dict[str, tuple[str, str]]:
    """The logs that fill the store, as far as they are there: where each is, and its identity. Their faults are told with them."""
    if settings.log is not None:
        from streams.cluster.address import parse_address
        from streams.cluster.identity import open_cluster

        cluster = parse_address(settings.log)
        try:
            identity = open_cluster(cluster).cluster
        except LogError:
            return {}
        return dict.fromkeys(POSITIONS, (str(cluster), identity))
    found = {}
    for log, path in (
        ("events", directory.event_log),
        ("transitions", directory.transition_log),
        ("dead_letters", directory.dead_log),
    ):
        if path.is_file():
            with suppress(LogError), SqliteLog(path, read_only=True) as held:
                found[log] = (str(path), held.identity)
    return found


def store_findings(
    address: Address, followed: Mapping[str, tuple[str, str]], clock: Callable[[], int]
) -> Iterator[Finding]:
    """Of a store on a server. It is only looked at: the first start makes what is missing. ``followed``: log -> place, identity."""
    try:
        found = probe(address, clock)
    except StoreError as error:
        yield Finding("fail", "store", str(error), SERVICE)
        return
    for fault in found.faults:
        yield Finding("fail", "store", f"{address.place}: {fault}", SERVICE)
    if not found.faults:
        state = f"tables at step {found.step}" if found.step else "no tables yet: the first start makes them"
        yield Finding("ok", "store", f"{address.place} answers: ClickHouse {found.version}, {state}")
    if abs(found.ahead_ms) > _CLOCK_OFF_MS + found.within_ms:
        side = "ahead of" if found.ahead_ms > 0 else "behind"
        yield Finding(
            "warn",
            "store clock",
            f"the server's clock is {abs(found.ahead_ms) / 1000:.0f} s {side} this machine's: let both follow one time server",
        )
    for log, (place, identity) in followed.items():
        if found.origins.get(log, identity) != identity:
            text = (
                f"{address.place} was filled from another {log} log than {place}: give this one a database of its own, or restore "
                "both from one backup"
            )
            yield Finding("fail", "store", text, SERVICE)


def identity_of(directory: DataDirectory) -> str | None:
    """Of the transition log; None where there is none yet, or it cannot be read (which is told elsewhere)."""
    if not directory.transition_log.is_file():
        return None
    try:
        with SqliteLog(directory.transition_log, read_only=True) as log:
            return log.identity
    except LogError:
        return None


def _live(settings: Settings, directory: DataDirectory) -> Iterator[Finding]:
    if settings.log is None:
        identity = identity_of(directory)
        yield from live_findings(settings.live_address, identity, directory.lineage(identity) if identity else None)
        return
    from streams.cluster.address import parse_address
    from streams.cluster.identity import open_cluster

    try:
        identity = f"{open_cluster(parse_address(settings.log)).cluster}-transitions"
    except LogError:  # told elsewhere
        yield from live_findings(settings.live_address, None, look=False)
    else:
        yield from live_findings(settings.live_address, identity)


def live_findings(
    address: RedisAddress | None, identity: str | None, lineage: str | None = None, *, look: bool = True
) -> Iterator[Finding]:
    """Can the Redis be used, does it keep what it is given; and, with ``look``, is it ours?"""
    if address is None:
        yield Finding("ok", "live", "memory://: in the process, made again at each start")
        return
    shared = RedisLive(address, identity or "", lineage=lineage)
    try:
        known = shared.information()
        yield from _redis(address, known)
        if not look:
            return
        if identity is None and shared.holder() is None:
            yield Finding("ok", "live", f"{address} is empty: the first start fills it")
        else:
            head = shared.head()
            text = f"{head.held:,} alerts at position {head.position:,}" if head else "empty: the next start fills it"
            yield Finding("ok", "live", f"{address}: {text}")
    except LiveError as error:
        yield Finding("fail", "live", str(error), SERVICE)
    finally:
        shared.close()


def _redis(address: RedisAddress, known: Information) -> Iterator[Finding]:
    most = known.maxmemory_bytes
    bound = f"maxmemory {most / (1 << 20):,.0f} MB" if most else "no maxmemory"
    told = f"{address} answers: Redis {known.version}, {known.used_bytes / (1 << 20):,.0f} MB used, {bound}"
    if known.policy != "noeviction" and most:
        text = f"{told}, and throws keys away when it is full ({known.policy}): set maxmemory-policy noeviction"
        yield Finding("warn", "redis", text)
    elif most and most < ENOUGH_BYTES:
        text = f"{told}: {ENOUGH_BYTES >> 20} MB are needed where there are many alerts, raise maxmemory"
        yield Finding("warn", "redis", text)
    else:
        yield Finding("ok", "redis", told)


def _server(settings: Settings, *, running: bool) -> Finding:
    if running:
        try:
            status, body = call(settings, "GET", "/readyz")
        except ServiceMissing as error:
            return Finding("fail", "server", str(error), SERVICE)
        reasons = "; ".join(f"{reason['part']}: {reason['title']}" for reason in body.get("reasons", []))
        if status != 200:
            return Finding("fail", "server", f"not ready: {reasons or status}", SERVICE)
        return Finding("warn" if reasons else "ok", "server", reasons or "ready")
    listen = settings.listen
    try:
        family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((listen.host, listen.port))
    except OSError as error:
        text = f"{listen} cannot be listened on ({error.strerror or error}): give another address with --listen"
        return Finding("fail", "server", text, SERVICE)
    return Finding("ok", "server", f"{listen} is free")


def _certificate(settings: Settings) -> Iterator[Finding]:
    if settings.tls_cert is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        yield Finding(
            "fail", "tls", f"{settings.tls_cert} and {settings.tls_key} are no pair that can be used: {error}", INPUT
        )
    else:
        yield Finding("ok", "tls", f"{settings.tls_cert} and its key fit together")


def _board() -> Finding:
    page = Path(dashboards.__file__ or "").parent / "board" / "dist" / "index.html"
    if not page.is_file():
        return Finding("warn", "board", "not built: run make board")
    return Finding("ok", "board", f"built, {page.parent}")
