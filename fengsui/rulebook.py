"""The rules of one directory: read, refused or put in force, from the start of the system to its end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dashboards.server.services import InForce, Refusal, Reload
from events.feeds import FeedCatalog
from rules.changes import changes_between
from rules.errors import RuleError, RuleErrors
from rules.load import load_rules
from rules.model import RuleSet
from streams.gateway.gateway import Gateway
from streams.log.errors import LogError
from streams.metrics import Metrics, Reloading

_log = logging.getLogger("fengsui.rules")

#: How long an answer to a reload waits for the engine to have come to it.
_WAIT_S = 10.0


class Activation(Protocol):
    """Where and when a rule set was put in force. ``at_ms``: epoch ms."""

    @property
    def pos(self) -> int: ...
    @property
    def at_ms(self) -> int: ...


class Activations(Protocol):
    """What remembers them: the event log, or what a cluster says of itself."""

    def newest_rules(self) -> Activation | None: ...


class Judges(Protocol):
    """Who judges by the rules: the engine of this process, or those of a cluster."""

    def prepare(self, ruleset: RuleSet) -> None: ...
    def wait_for(self, pos: int, timeout_s: float, /) -> bool: ...


class Keeper(Protocol):
    """Who must know the catalogue that is in force."""

    catalog: FeedCatalog


@dataclass(frozen=True)
class Read:
    """What a look at the files gave: a rule set, or what is wrong with them."""

    ruleset: RuleSet | None
    fault: RuleErrors | None = None


class Rulebook:
    """Reads the directory anew when asked; a set with any error is refused as a whole, and the old one stays in force.

    ``clock``: epoch milliseconds. Every call may come from any thread.
    """

    def __init__(self, directory: Path, *, zone: str, clock: Callable[[], int], metrics: Metrics) -> None:
        self.directory = directory
        self._zone = zone
        self._clock = clock
        self._metrics = metrics
        self._one_at_a_time = threading.Lock()
        self._refusal: Refusal | None = None
        self._in_force: InForce | None = None
        self._gateway: Gateway
        self._runner: Judges
        self._events: Activations
        self._keepers: list[Keeper] = []

    def read(self) -> Read:
        """The files as they now are; nothing is put in force."""
        try:
            return Read(load_rules(self.directory, zone=self._zone))
        except RuleErrors as fault:
            return Read(None, fault)
        except Exception as error:
            # Our own bug in reading them: the running rules must not suffer from it, and people must see it.
            _log.exception("the rules could not be read")
            return Read(None, RuleErrors([RuleError("", 0, 0, f"a fault of the program, please report it: {error!r}")]))

    def begin(self, first: Read, in_force: RuleSet, *, gateway: Gateway, runner: Judges, log: Activations) -> bool:
        """Takes over when the parts run: puts what was read at first in force, where it is good and not so already.

        ``in_force``: the newest set of the log. -> False: it is good, but must be tried again later. LogError where the log
        cannot take it and there are no earlier rules to go on with.
        """
        self._gateway, self._runner, self._events = gateway, runner, log
        self._in_force = self._newest(in_force)
        self._count()
        try:
            with self._one_at_a_time:
                self._put(first)
        except LogError:
            if self.in_force.position is None:
                raise
            return False
        return True

    def follow(self, ruleset: RuleSet) -> None:
        """Another process put a rule set in force."""
        with self._one_at_a_time:
            self._in_force = self._newest(ruleset)
            self._count()

    def keep(self, keeper: Keeper) -> None:
        """Tells it the catalogue in force, now and after each change."""
        keeper.catalog = self.in_force.ruleset.catalog
        self._keepers.append(keeper)

    @property
    def in_force(self) -> InForce:
        """The set that is in force, or about to be: its activation is in the log."""
        assert self._in_force is not None, "begin was not called"
        return self._in_force

    @property
    def refused(self) -> Refusal | None:
        """Why the files as they were last read are not in force; None where they are."""
        return self._refusal

    def reload(self) -> Reload:
        """Reads the files again and puts them in force where they changed. Two at a time take turns.

        LogError where the log cannot take the change: the old rules stay, and that they do is shown as a refusal is.
        """
        with self._one_at_a_time:
            return self._put(self.read())

    def renew(self) -> bool:
        """:meth:`reload` for the watch. False: what was read is good, but must be tried again later."""
        try:
            self.reload()
        except LogError as error:
            return not error.retryable
        return True

    def _put(self, found: Read) -> Reload:
        old = self.in_force
        fault = found.fault
        if found.ruleset is not None:
            fault = _accident(old.ruleset, found.ruleset, self.directory)
        if fault is not None:
            self._refuse(tuple(fault.errors), fault.left_out)
            _log.error("the rules are refused, and the last good ones stay in force:\n%s", fault)
            return self._done("refused", Reload(errors=tuple(fault.errors), left_out=fault.left_out))
        assert found.ruleset is not None
        new = found.ruleset
        changes = changes_between(old.ruleset, new)
        position = None
        if new.bundle != old.ruleset.bundle:
            self._runner.prepare(new)
            try:
                position = self._gateway.activate(new)
            except LogError as error:
                self._refuse((RuleError("", 0, 0, f"good, but cannot be put in force now: {error}"),), 0)
                _log.error("the rules cannot be put in force now: %s", error)
                self._metrics.reloaded("failed")
                raise
            self._in_force = self._newest(new)
            for keeper in self._keepers:
                keeper.catalog = new.catalog
            self._runner.wait_for(position, _WAIT_S)
            _log.info(
                "rules %s in force from position %d: %d added, %d removed, %d changed, %d unchanged",
                new.version,
                position,
                *(len(part) for part in (changes.added, changes.removed, changes.changed, changes.unchanged)),
            )
        self._refusal = None
        done = Reload(position=position, version=new.version, count=len(new.rules), changes=changes)
        return self._done("unchanged" if position is None else "activated", done)

    def _refuse(self, errors: tuple[RuleError, ...], left_out: int) -> None:
        """Since when: since the files are not those in force, whatever their faults were meanwhile."""
        since_ms = self._refusal.since_ms if self._refusal else self._clock()
        self._refusal = Refusal(errors, left_out, since_ms)

    def _newest(self, ruleset: RuleSet) -> InForce:
        entry = self._events.newest_rules()
        return InForce(ruleset, entry.pos if entry else None, entry.at_ms if entry else None)

    def _done(self, outcome: Reloading, reload: Reload) -> Reload:
        self._metrics.reloaded(outcome)
        self._count()
        return reload

    def _count(self) -> None:
        now = self.in_force
        self._metrics.rules_in_force(
            {mode: sum(rule.mode == mode for rule in now.ruleset.rules) for mode in ("on", "shadow", "off")},
            since_ms=now.since_ms,
            refused=self._refusal is not None,
        )


def _accident(old: RuleSet, new: RuleSet, directory: Path) -> RuleErrors | None:
    """Files that lost every word, where there were rules: a full disk, a mount that went away, rather than somebody's will."""
    files = new.bundle["files"]
    assert isinstance(files, dict)
    if old.rules and not files:
        return RuleErrors(
            [
                RuleError(
                    str(directory),
                    0,
                    0,
                    "no rule file is left in it",
                    "to go on without rules, keep one with `rules: []`",
                )
            ]
        )
    had = {rule.place.file for rule in old.rules}
    emptied = [
        RuleError(name, 1, 1, "the file has become empty", "to end its rules, delete it or write `rules: []` into it")
        for name, text in files.items()
        if name in had and not text.strip()
    ]
    return RuleErrors(emptied) if emptied else None
