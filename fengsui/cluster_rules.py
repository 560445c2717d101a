"""The rules of a cluster, as each of its processes knows them: the newest activation stands in NAME.meta."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rules.load import load_bundle, load_rules
from rules.model import RuleSet
from streams.cluster.address import Address
from streams.cluster.meta import MetaReader, RulesInForce
from streams.cluster.rules_follower import RulesFollower


@dataclass(frozen=True)
class Activated:
    """Where and when a rule set was put in force. ``pos``: its stamp; ``at_ms``: epoch ms."""

    pos: int
    at_ms: int


class ClusterRules:
    """What is in force, and then what comes to be. RuleErrors where this version cannot read it; LogError."""

    def __init__(self, address: Address) -> None:
        with MetaReader(address) as meta:
            self._first = meta.rules
        #: an empty set before the first activation
        self.ruleset: RuleSet = load_rules({}) if self._first is None else load_bundle(self._first.bundle)
        self._listeners: list[Callable[[RuleSet], object]] = []
        self._follower = RulesFollower(address, self._took)
        self._follower.stamp = 0 if self._first is None else self._first.stamp

    @property
    def activation(self) -> RulesInForce | None:
        """The newest one; None before the first."""
        return self._follower.activation or self._first

    def newest_rules(self) -> Activated | None:
        """As a log answers."""
        newest = self.activation
        return None if newest is None else Activated(newest.stamp, newest.at_ms)

    def listen(self, listener: Callable[[RuleSet], object]) -> None:
        """Calls it with each rule set that comes into force, in the following thread."""
        self._listeners.append(listener)

    def start(self) -> None:
        """From now on listeners hear; all of them must be there."""
        self._follower.start()

    def stop(self) -> None:
        """May be called twice."""
        self._follower.stop()

    def _took(self, ruleset: RuleSet) -> None:
        self.ruleset = ruleset
        for listener in self._listeners:
            listener(ruleset)
