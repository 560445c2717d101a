"""What people may do to an alert in which state, and what follows: a table, nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from events.record import Verb
from events.transition import State

_OPENISH: frozenset[State] = frozenset({"open", "acked", "assigned"})
_ANY: frozenset[State] = _OPENISH | {"resolved"}


@dataclass(frozen=True)
class Rule:
    """``then`` None: the state stays."""

    allowed: frozenset[State]
    then: State | None
    type: str


TABLE: dict[Verb, Rule] = {
    "ack": Rule(frozenset({"open"}), "acked", "acked"),
    "assign": Rule(_OPENISH, "assigned", "assigned"),
    "note": Rule(_ANY, None, "noted"),
    "resolve": Rule(_OPENISH, "resolved", "resolved"),
    "reopen": Rule(frozenset({"resolved"}), "open", "reopened"),
}


def refusal(verb: str, state: State) -> str | None:
    """Why ``verb`` is not allowed in ``state``; None where it is.

    >>> refusal("ack", "open")
    >>> refusal("ack", "resolved")
    'cannot ack an alert that is resolved (allowed from: open)'
    """
    rule = TABLE[verb]  # type: ignore[index]
    if state in rule.allowed:
        return None
    return f"cannot {verb} an alert that is {state} (allowed from: {', '.join(sorted(rule.allowed))})"
