"""The rules of a cluster, as each of its processes follows them: the newest activation stands in NAME.meta."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from rules.errors import RuleErrors
from rules.load import load_bundle, load_rules
from rules.model import RuleSet
from streams.cluster.address import Address
from streams.cluster.meta import MetaReader, RulesInForce
from streams.log.errors import LogError

_log = logging.getLogger("fengsui.rules")

_POLL_S = 0.5
_AGAIN_S = 3.0


class ClusterRules:
    """Reads what is in force, and then follows it in a thread. LogError on opening.

    ``newest_rules`` answers as a log does: with the activation's position (its stamp) and time.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._meta = MetaReader(address)
        self._halt = threading.Event()
        self._listeners: list[Callable[[RuleSet], object]] = []
        self.activation: RulesInForce | None = None
        #: an empty set before the first activation
        self.ruleset: RuleSet = load_rules({})
        self._take()
        self._thread = threading.Thread(target=self._follow, name="rules", daemon=True)

    def listen(self, listener: Callable[[RuleSet], object]) -> None:
        """Calls it with each rule set that comes into force, in the following thread."""
        self._listeners.append(listener)

    def start(self) -> None:
        self._thread.start()

    def newest_rules(self) -> _At | None:
        one = self.activation
        return None if one is None else _At(one.stamp, one.at_ms)

    def stop(self) -> None:
        """May be called twice."""
        self._halt.set()
        if self._thread.is_alive():
            self._thread.join()
        self._meta.close()

    def _follow(self) -> None:
        while not self._halt.is_set():
            try:
                if self._meta.poll(_POLL_S) and self._take():
                    for listener in self._listeners:
                        listener(self.ruleset)
            except LogError as error:
                _log.error("the cluster's rules cannot be followed now: %s", error)
                self._halt.wait(_AGAIN_S)

    def _take(self) -> bool:
        newest = self._meta.rules
        if newest is None or (self.activation is not None and newest.stamp <= self.activation.stamp):
            return False
        try:
            ruleset = load_bundle(newest.bundle)
        except RuleErrors as errors:
            _log.error("the cluster's rules are refused by this version, it goes on with those it knows:\n%s", errors)
            return False
        self.activation, self.ruleset = newest, ruleset
        return True


class _At:
    """Where and when an activation was."""

    def __init__(self, pos: int, at_ms: int) -> None:
        self.pos = pos
        self.at_ms = at_ms
