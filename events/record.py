"""What the engine reads, in log order: events in columns, ticks, rule-set activations and people's acts.

``pos`` is the position in the event log; it rises by one an event and by one a control record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import polars as pl

from events.transition import Transition

Verb = Literal["ack", "assign", "note", "resolve", "reopen"]


class EventBatch(msgspec.Struct, frozen=True):
    """Events in arrival order.

    ``frame``: one row an event, columns of the envelope (``time``: Int64 epoch ms) and of the declared fields of the catalogue
    (see :mod:`events.decode`). ``pos``: Int64 array-like of each row's log position, rising. ``receipt_ms``: Int64 of each
    row's receipt, or None for files that hold none. A row whose ``feed`` is null is no event: the clock went on to its time there.
    ``late``: Boolean of each row, where that was decided upstream.
    """

    frame: pl.DataFrame
    pos: pl.Series
    receipt_ms: pl.Series | None = None
    late: pl.Series | None = None


class Tick(msgspec.Struct, frozen=True):
    """The wall clock, written into the log by the live runner when feeds fall silent."""

    pos: int
    at_ms: int


class Activation(msgspec.Struct, frozen=True):
    """A rule set that is in force from here on: ``bundle`` is {"files": {name: text}, "feeds": text or None, "zone": name}."""

    pos: int
    at_ms: int
    bundle: dict[str, object]


class Act(msgspec.Struct, frozen=True):
    """What a person did to an alert. ``id`` is drawn by the server, so that its answer can be found again."""

    pos: int
    at_ms: int
    id: str
    alert: str
    verb: Verb
    by: str
    note: str | None = None
    to: str | None = None


class End(msgspec.Struct, frozen=True):
    """The end of a replay: the clock moves to ``at_ms`` with idle and lateness taken as zero."""

    pos: int
    at_ms: int | None = None


class Frontier(msgspec.Struct, frozen=True):
    """How far all engines upstream have come, for one that reads what they pass on: its clock and watermarks, feed by feed."""

    pos: int
    clock_ms: int
    marks: Mapping[str, int]


class Alerts(msgspec.Struct, frozen=True):
    """Transitions that other engines made, for rules over alerts, in the order in which these are to see them."""

    pos: int
    transitions: Sequence[Transition]


Record = EventBatch | Tick | Activation | Act | End | Frontier | Alerts
