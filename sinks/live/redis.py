"""The alerts as they now stand, in Redis: one state that many processes share, and that can always be made again.

Every call is one script, so that no reader sees half of a stretch and two writers cannot mix theirs. A writer says after
which position its stretch comes; Redis takes it only where it stands there or further on, and drops each (alert, n) that it
has seen. So a second writer, a replay, or an old copy of Redis' data never brings an old alert back, nor hides a new one.

Keys: PREFIX:live names the build in force; PREFIX:live:BUILD:* hold it (docs/live.md).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from events.times import parse_instant
from events.transition import RANK, Transition, decode, encode
from sinks.filters import UNRESOLVED
from sinks.live.address import RedisAddress
from sinks.live.errors import LiveBusy, LiveFailed, LiveForeign, LiveLost, LiveNewer, named
from sinks.live.memory import Adopted, Live
from sinks.live.protocol import MAX_GONE, MAX_RESOLVED, MAX_UNRESOLVED

#: Of the keys. A newer one is left alone; an older one is built again.
FORMAT = 1
#: 120,000 alerts take 200 MB, and stand twice in it while they are built again.
ENOUGH_BYTES = 512 << 20
#: Transitions in one script, and alerts in one page: Redis does nothing else meanwhile.
_STRETCH = 500
_PAGE = 1_000
_SCAN = 1_000
_TIMEOUT_S = 5.0
_LOCK_MS = 60_000
#: A lineage that has not written or looked for so long has gone.
_OWNER_MS = 15_000
#: A writer that has not written or looked for so long has lost its turn.
_TURN_MS = 3_000
_BUILD_KEPT_S = 3_600
_PARTS = ("meta", "n", "body", "unresolved", "resolved", "gone", "changed")
_SCRIPTS = Path(__file__).parent / "scripts"
_NAMES = ("look", "apply", "changes", "switch")

Verdict = Literal["applied", "moved", "damaged", "behind"]


@dataclass(frozen=True)
class Head:
    """The build in force, the position of the log up to which it holds, and its alerts; ``intact``: nothing of it is lost."""

    build: str
    position: int
    held: int
    intact: bool


@dataclass(frozen=True)
class Applied:
    """``behind``: Redis stands before the stretch, at ``position``; ``moved``: another build is in force."""

    verdict: Verdict
    position: int
    fresh: list[Transition]


@dataclass(frozen=True)
class Changes:
    """For :meth:`sinks.live.memory.Live.adopt`; the build they are of, and how many alerts there are in all."""

    build: str
    state: Adopted
    held: int


@dataclass(frozen=True)
class Information:
    """Of the server. ``maxmemory_bytes`` 0 is no bound; ``policy`` says what it throws away when it is full."""

    version: str
    maxmemory_bytes: int
    used_bytes: int
    policy: str


class RedisLive:
    """Live state at an address, of the system that ``identity`` names (that of its transition log).

    ``lineage`` tells a log from its copies, which have its identity and go on by themselves (a restored backup on another
    machine): only one of them may write at a time, and none goes on from what another wrote. Many may share a lineage.

    All calls raise LiveError by name. Thread-safe.
    """

    def __init__(
        self,
        address: RedisAddress,
        identity: str,
        *,
        lineage: str | None = None,
        max_unresolved: int = MAX_UNRESOLVED,
        max_resolved: int = MAX_RESOLVED,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        self.address = address
        self.identity = identity
        self._bounds = (max_unresolved, max_resolved, MAX_GONE)
        self._pointer = f"{address.prefix}:live"
        self._lock = f"{address.prefix}:live:builder"
        self._owner = f"{address.prefix}:live:owner"
        self._turn = f"{address.prefix}:live:turn"
        self._lineage = lineage or identity
        #: told the new position after each stretch
        self.channel = f"{address.prefix}:live:wake"
        self._client = address.client(timeout_s=timeout_s)
        head = (_SCRIPTS / "head.lua").read_text("utf-8")
        self._scripts = {
            name: self._client.register_script(f"{head}\n{(_SCRIPTS / name).with_suffix('.lua').read_text('utf-8')}")
            for name in _NAMES
        }

    def close(self) -> None:
        self._client.close()

    def empty(self) -> Live:
        """A copy of the same bounds, to be filled."""
        return Live(max_unresolved=self._bounds[0], max_resolved=self._bounds[1])

    # --- reading

    def head(self) -> Head | None:
        """The build in force; None where there is none. LiveForeign, LiveNewer."""
        with named(self.address):
            told = self._client.hgetall(self._pointer)
            if not told:
                return None
            pointer = {name.decode(): value.decode() for name, value in told.items()}
            self._check(pointer)
            if pointer.get("lineage", self.identity) != self._lineage:
                self._check_copy(self._client.get(self._owner))
                return None  # whoever wrote it has gone
            build = pointer["generation"]
            position, held, _ = self._run("look", build, [])
        return Head(build, max(0, position), held, intact=position >= 0)

    def _check(self, pointer: dict[str, str]) -> None:
        if pointer.get("identity") != self.identity:
            raise LiveForeign(
                f"{self.address} holds the live state of another system ({pointer.get('identity')}, this one is "
                f"{self.identity}): give each its own prefix (?prefix=NAME); if that one is gone for good, "
                "take its place with fengsui live rebuild --replace"
            )
        if not pointer.get("format", "").isdigit() or int(pointer["format"]) > FORMAT:
            raise LiveNewer(
                f"{self.address} was written by a newer version of Fengsui (format {pointer.get('format')}, this one "
                f"knows {FORMAT}): install that version, or give another prefix (?prefix=NAME)"
            )

    def _check_copy(self, owner: bytes | None) -> None:
        if owner is not None and owner.decode() != self._lineage:
            raise LiveForeign(
                f"another copy of this system (a restored backup?) keeps its live state in {self.address} now: give each its "
                "own prefix (?prefix=NAME), or stop the other one and wait a quarter of a minute"
            )

    def hold(self) -> None:
        """For writers, every few seconds: this lineage writes here. LiveForeign where another one does."""
        with named(self.address), self._client.pipeline() as pipe:
            pipe.set(self._owner, self._lineage, nx=True, px=_OWNER_MS)
            pipe.get(self._owner)
            _, owner = pipe.execute()
            self._check_copy(owner)
            self._client.pexpire(self._owner, _OWNER_MS)

    def take_turn(self, token: str) -> bool:
        """Of many writers one writes at a time: is it this one, for the next seconds? Asked again before they are over."""
        with named(self.address), self._client.pipeline() as pipe:
            pipe.set(self._turn, token, nx=True, px=_TURN_MS)
            pipe.get(self._turn)
            _, holder = pipe.execute()
            if holder != token.encode():
                return False
            self._client.pexpire(self._turn, _TURN_MS)
        return True

    def changes(self, build: str, after: int) -> Changes:
        """What changed in a build since it stood at ``after``. LiveLost where it is no longer in force, or not intact."""
        bodies: list[bytes] = []
        begin: Any = after
        with named(self.address):
            while True:
                verdict, *rest = self._run("changes", build, [after, _PAGE, begin])
                if verdict != b"ok":
                    raise LiveLost(f"{self.address}: build {build} is {verdict.decode()}")
                position, held, let_go, page, forgotten, begin = rest
                bodies += page
                if not begin:
                    break
        if None in bodies:
            raise LiveLost(f"{self.address}: build {build} has lost alerts")
        gone = {forgotten[at].decode(): int(forgotten[at + 1]) for at in range(0, len(forgotten), 2)}
        return Changes(build, Adopted([decode(body) for body in bodies], gone, position, let_go), held)

    def load(self) -> Changes | None:
        """Everything; None where there is no build. LiveLost where it changed its build meanwhile, or is not intact."""
        head = self.head()
        if head is None:
            return None
        if not head.intact:
            raise LiveLost(f"{self.address}: build {head.build} is damaged")
        found: dict[str, Transition] = {}
        gone: dict[str, int] = {}
        with named(self.address):
            for _, body in self._client.hscan_iter(self._key(head.build, "body"), count=_SCAN):
                one = decode(body)
                found[one.alert] = one
            names = self._client.zrange(self._key(head.build, "gone"), 0, -1)
            for start in range(0, len(names), _SCAN):
                part = names[start : start + _SCAN]
                for alert, n in zip(part, self._client.hmget(self._key(head.build, "n"), part), strict=True):
                    if n is not None:
                        gone[alert.decode()] = int(n)
        # Writers went on while we read: what changed since then makes it the state of one position.
        since = self.changes(head.build, head.position)
        for one in since.state.changed:
            found[one.alert] = one
            gone.pop(one.alert, None)
        for alert, n in since.state.gone.items():
            found.pop(alert, None)
            gone.pop(alert, None)
            gone[alert] = n
        if len(found) != since.held:
            raise LiveLost(f"{self.address}: {len(found)} of {since.held} alerts could be read")
        return Changes(
            head.build, Adopted(list(found.values()), gone, since.state.position, since.state.let_go), since.held
        )

    # --- writing

    def apply(self, build: str, transitions: Sequence[Transition], *, after: int, upto: int) -> Applied:
        """A stretch of the log: all that stands in it after ``after`` up to ``upto``.

        Written in parts that are whole in themselves; the first that Redis does not take ends it.
        """
        fresh: list[Transition] = []
        position = after
        for start in range(0, max(1, len(transitions)), _STRETCH):
            part = transitions[start : start + _STRETCH]
            until = upto if start + _STRETCH >= len(transitions) else part[-1].seq
            with named(self.address):
                verdict, position, numbers = self._run(
                    "apply", build, [after, until, *self._bounds, self.channel, *_arguments(part)]
                )
            if verdict != b"applied":
                return Applied(verdict.decode(), position, fresh)
            fresh += [part[number - 1] for number in numbers]
            after = until
        return Applied("applied", position, fresh)

    def build(self, contents: Adopted, *, replace: bool = False, tell: Callable[[int, int], None] | None = None) -> str:
        """Puts a whole state beside the one in force, then in its place; readers are served all the while. Its name.

        ``tell`` is given how many alerts are written, and of how many. ``replace``: also another system's.
        LiveBusy where another process builds; LiveForeign, LiveNewer.
        """
        with named(self.address):
            if replace:
                self._client.set(self._owner, self._lineage, px=_OWNER_MS)
            else:
                self.head()
            token, build = secrets.token_hex(8), secrets.token_hex(4)
            if not self._client.set(self._lock, token, nx=True, px=_LOCK_MS):
                raise LiveBusy(f"{self.address} is being rebuilt by another process: wait for it")
            try:
                self._write(build, token, contents, tell or (lambda _done, _all: None))
                verdict, before = self._run(
                    "switch", build, [self.identity, FORMAT, self.channel, token, self._lock, self._lineage]
                )
                if verdict != b"switched":
                    raise LiveLost(f"{self.address}: the new build is {verdict.decode()}; it is made again")
            except BaseException:
                self._abandon(build, token)
                raise
            if before:
                self._client.unlink(*self._keys(before.decode()))
        return build

    def _write(self, build: str, token: str, contents: Adopted, tell: Callable[[int, int], None]) -> None:
        """Every key ends by itself until the build is in force: one that is never finished takes no room for long."""
        keys = dict(zip(_PARTS, self._keys(build), strict=True))
        alerts = sorted(contents.changed, key=lambda one: one.seq)
        rows: list[tuple[str, dict[Any, Any]]] = [
            ("meta", {"position": contents.position, "let_go": contents.let_go}),
        ]
        self._put(keys, token, rows)
        tell(0, len(alerts))
        gone = list(contents.gone.items())
        for start in range(0, len(gone), _SCAN):
            part = gone[start : start + _SCAN]
            # Older than all that will change: their order is all that counts.
            order = {alert: start + number - len(gone) for number, (alert, _) in enumerate(part)}
            self._put(keys, token, [("n", dict(part)), ("gone", order)])
        for start in range(0, len(alerts), _SCAN):
            some = alerts[start : start + _SCAN]
            rows = [
                ("n", {one.alert: one.n for one in some}),
                ("body", {one.alert: encode(one) for one in some}),
                ("changed", {one.alert: one.seq for one in some}),
                ("unresolved", {one.alert: place_of(one) for one in some if one.state in UNRESOLVED}),
                ("resolved", {one.alert: one.seq for one in some if one.state not in UNRESOLVED}),
            ]
            self._put(keys, token, rows)
            tell(start + len(some), len(alerts))

    def _put(self, keys: dict[str, str], token: str, rows: Iterable[tuple[str, dict[Any, Any]]]) -> None:
        with self._client.pipeline() as pipe:
            pipe.get(self._lock)
            pipe.pexpire(self._lock, _LOCK_MS)
            for name, values in rows:
                if not values:
                    continue
                if name in ("meta", "n", "body"):
                    pipe.hset(keys[name], mapping=values)
                else:
                    pipe.zadd(keys[name], values)
                pipe.expire(keys[name], _BUILD_KEPT_S)
            holder, *_ = pipe.execute()
        if holder != token.encode():
            raise LiveBusy(f"{self.address} is being rebuilt by another process, which was faster")

    def _abandon(self, build: str, token: str) -> None:
        try:
            self._client.unlink(*self._keys(build))
            if self._client.get(self._lock) == token.encode():
                self._client.delete(self._lock)
        except Exception:
            # It ends by itself.
            return

    # --- what doctor asks

    def information(self) -> Information:
        with named(self.address):
            told = self._client.info()
        try:
            return Information(
                version=str(told["redis_version"]),
                maxmemory_bytes=int(told.get("maxmemory", 0)),
                used_bytes=int(told["used_memory"]),
                policy=str(told.get("maxmemory_policy", "")),
            )
        except (KeyError, ValueError) as error:
            raise LiveFailed(f"{self.address} is no Redis that we know: INFO has no {error}") from error

    def holder(self) -> str | None:
        """The identity of the system whose state is here; None where there is none."""
        with named(self.address):
            told = self._client.hget(self._pointer, "identity")
        return told.decode() if told else None

    # --- keys

    def _key(self, build: str, part: str) -> str:
        return f"{self._pointer}:{build}:{part}"

    def _keys(self, build: str) -> list[str]:
        return [self._key(build, part) for part in _PARTS]

    def _run(self, name: str, build: str, arguments: Sequence[object]) -> Any:
        return self._scripts[name](keys=[self._pointer, *self._keys(build)], args=[build, *arguments])


def place_of(one: Transition) -> int:
    """The alert's place in the list as one number, the least first: reddest, then newest. Exact as a double."""
    opened_ms = parse_instant(one.opened_at or one.at)
    return -(RANK[one.severity] * (1 << 49) + opened_ms)


def _arguments(transitions: Sequence[Transition]) -> Iterable[object]:
    for one in transitions:
        yield from (one.alert, one.n, one.seq, place_of(one), "u" if one.state in UNRESOLVED else "r", encode(one))
