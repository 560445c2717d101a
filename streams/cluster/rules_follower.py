"""Tells a process of a cluster when another one puts rules in force."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from rules.errors import RuleErrors
from rules.load import load_bundle
from rules.model import RuleSet
from streams.cluster.address import Address
from streams.cluster.meta import MetaReader, RulesInForce
from streams.log.errors import LogClosed, LogError

_log = logging.getLogger("fengsui.cluster")

_POLL_S = 0.5
_FIRST_WAIT_S = 0.5
_MOST_WAIT_S = 30.0


class RulesFollower(threading.Thread):
    """Calls ``follow`` with each rule set that NAME.meta comes to name, from the first that is there; the newest always comes.

    Those in between may be left out. What this version cannot read is told in the log, and the one before stays.
    """

    def __init__(self, address: Address, follow: Callable[[RuleSet], object]) -> None:
        super().__init__(name="rules-follower", daemon=True)
        self._address = address
        self._follow = follow
        self._halt = threading.Event()
        #: stamp of the newest activation that was handed on, or could not be read
        self.stamp = 0
        #: the one that was handed on last
        self.activation: RulesInForce | None = None
        #: why nothing is heard now; empty while all is well
        self.error = ""

    def stop(self, timeout_s: float = 15.0) -> bool:
        """Whether it ended in time."""
        self._halt.set()
        if self.is_alive():
            self.join(timeout_s)
        return not self.is_alive()

    def run(self) -> None:
        wait_s = _FIRST_WAIT_S
        while not self._halt.is_set():
            try:
                with MetaReader(self._address) as meta:
                    wait_s, self.error = _FIRST_WAIT_S, ""
                    self._watch(meta)
            except LogClosed:
                return
            except LogError as error:
                if not self.error:
                    _log.warning("rules of other processes are not heard of now: %s", error)
                self.error = str(error)
                self._halt.wait(wait_s)
                wait_s = min(_MOST_WAIT_S, wait_s * 2)

    def _watch(self, meta: MetaReader) -> None:
        while not self._halt.is_set():
            rules = meta.rules
            if rules is not None and rules.stamp > self.stamp:
                self.stamp = rules.stamp
                try:
                    ruleset = load_bundle(rules.bundle)
                except RuleErrors as errors:
                    _log.error(
                        "the cluster's rules are refused by this version, those before stay in force:\n%s", errors
                    )
                else:
                    self.activation = rules
                    self._follow(ruleset)
            meta.poll(_POLL_S)
